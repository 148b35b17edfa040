import type { Pixel } from './box';

const GAP = 8;
const EDGE = 4;
/// From one row of labels to the next.
export const ROW = 16;
// How far a text reaches above and below its baseline.
const ABOVE = 11;
const BELOW = 4;

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Placement {
  readonly x: number;
  readonly anchor: 'start' | 'end';
}

/// Where a text of `length` beside a line at `x` starts: on the right while it
/// fits there, else on the left, else wherever it is inside the plot.
export function beside(x: number, length: number, width: number): Placement {
  if (x + GAP + length <= width) return { x: x + GAP, anchor: 'start' };
  if (x - GAP - length >= 0) return { x: x - GAP, anchor: 'end' };
  return { x: clamp(x + GAP, EDGE, width - length - EDGE), anchor: 'start' };
}

/// The top left corner of a card near the pointer: on its right, or its left, above
/// its tip, and always inside the plot and below `top`.
export function near(pointer: Pixel, card: Size, plot: Size, top: number): Pixel {
  const right = pointer.x + 12;
  const left = pointer.x - 12 - card.width;
  const fits = right + card.width <= plot.width - EDGE;
  const x = fits || left < EDGE ? right : left;
  const lowest = Math.max(top, plot.height - card.height - EDGE);
  const above = pointer.y - card.height - GAP;
  const covered = !fits && left < EDGE;
  // Where the card must cover the pointer's column, it goes under rather than over it.
  const y = covered && above < top ? pointer.y + 2 * GAP : above;
  return {
    x: clamp(x, EDGE, plot.width - card.width - EDGE),
    y: clamp(y, top, lowest),
  };
}

/// A thing to label: a dot with its drop line down to the axis.
export interface Drop {
  readonly x: number;
  readonly y: number;
  /// The length of its label.
  readonly length: number;
  /// Whether it is labelled before the others, and wherever there is room at all.
  readonly main?: boolean;
}

/// Where a label is: its baseline starts at (left, y).
export interface Spot {
  readonly left: number;
  readonly right: number;
  readonly y: number;
}

/// A place for the label of each drop line: in rows from the axis up, at the side of
/// its own line, overlapping no other label nor what is `taken` already, and if it can
/// be no other line or dot. Null where there is no room: the dot then stays without.
export function spots(
  drops: readonly Drop[],
  plot: Size,
  taken: readonly Spot[] = [],
): (Spot | null)[] {
  const found: (Spot | null)[] = drops.map(() => null);
  const rank = (drop: Drop) => Number(!drop.main);
  const inOrder = [...drops.entries()].sort(
    ([, a], [, b]) => rank(a) - rank(b) || a.x - b.x,
  );
  for (const [i, drop] of inOrder) {
    let least = Number.POSITIVE_INFINITY;
    for (const spot of candidates(drop, plot, drops.length)) {
      const cost = costOf(spot, drop, drops, [...found, ...taken]);
      if (cost < least) {
        least = cost;
        found[i] = spot;
      }
    }
  }
  return found;
}

/// Whether a label covers a point.
export function covers(spot: Spot, { x, y }: Pixel): boolean {
  const inside = x >= spot.left && x <= spot.right;
  return inside && y >= spot.y - ABOVE && y <= spot.y + BELOW;
}

/// Right and left of the line, in each row of the lower part of the plot.
function* candidates(drop: Drop, plot: Size, count: number): Generator<Spot> {
  const rows = Math.min(count + 2, Math.floor((0.6 * plot.height) / ROW));
  const last = plot.width - EDGE - drop.length;
  const lefts = [drop.x + GAP, drop.x - GAP - drop.length].filter(
    (left) => left >= EDGE && left <= last,
  );
  // The main one is labelled in any case, if it must be across its own line.
  if (drop.main && !lefts.length) lefts.push(clamp(drop.x + GAP, EDGE, last));
  for (let row = 0; row < Math.max(rows, Number(drop.main ?? false)); row++) {
    const y = plot.height - GAP - row * ROW;
    for (const left of lefts) yield { left, right: left + drop.length, y };
  }
}

/// How bad a spot is: impossible on another label, for the main one very poor; poor on
/// a dot or a drop line or above its own dot; better the lower.
function costOf(
  spot: Spot,
  own: Drop,
  drops: readonly Drop[],
  taken: readonly (Spot | null)[],
): number {
  let cost = (spot.left > own.x ? 0 : 0.5) - spot.y / ROW;
  if (own.y > spot.y) cost += 12;
  for (const other of drops) {
    const across = other.x > spot.left - EDGE && other.x < spot.right + EDGE;
    if (across && Math.abs(other.y - (spot.y - EDGE)) < ROW) cost += 30;
    else if (across && other.y < spot.y) cost += 20;
  }
  const clear = taken.every((other) => !other || apart(spot, other));
  return clear ? cost : own.main ? cost + 100 : Number.POSITIVE_INFINITY;
}

function apart(a: Spot, b: Spot): boolean {
  const beside = a.right + GAP <= b.left || b.right + GAP <= a.left;
  return beside || Math.abs(a.y - b.y) >= ROW;
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(Math.min(value, high), low);
}
