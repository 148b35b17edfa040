import { type Axis, ends, type Range } from './axis';
import { ROW, type Size, type Spot } from './placement';
import { element, lengthOf, place, show } from './svg';

// How thick the strip on the axis is, and how far above the axis its words are.
const STRIP = 3;
const RISE = 6;
const GAP = 5;

/// The learning rates to look at.
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/// Where to look: a light ground behind the curve, and a strip along the axis that says
/// so in words where these fit.
export class Band {
  readonly ground = element('g', 'lr-widget-look');
  readonly words = element('text', 'lr-widget-text');
  private readonly light = element('rect', 'lr-widget-light');
  private readonly strip = element('path', 'lr-widget-strip');

  constructor() {
    this.words.classList.add('lr-widget-look');
    this.words.textContent = 'look here';
    this.ground.append(this.light, this.strip);
  }

  /// Draws it, with words that cross no upright line at `lines` and nothing `taken`.
  show(
    stretch: Stretch | null,
    x: Axis,
    plot: Size,
    lines: readonly number[],
    taken: readonly Spot[],
  ): void {
    const [low, high] = ends(x);
    const from = Math.max(stretch?.start ?? high, low);
    const to = Math.min(stretch?.end ?? low, high);
    for (const node of [this.ground, this.words]) show(node, from < to);
    if (from >= to) return;
    const [left, right] = [x(from), x(to)];
    const [width, { height }] = [right - left, plot];
    // Of its outline only the upright sides.
    const sides = `0 ${width} ${height} ${width} ${height}`;
    place(this.light, { x: left, y: 0, width, height, 'stroke-dasharray': sides });
    place(this.strip, { d: `M${left},${height - STRIP}H${right}v${STRIP}H${left}Z` });
    const y = height - RISE;
    const inRow = taken.filter((spot) => Math.abs(spot.y - y) < ROW);
    const blocks = [
      ...lines.map((line) => [line, line] as const),
      ...inRow.map(sidesOf),
    ];
    const start = this.start([left, right], plot.width, blocks);
    show(this.words, start !== null);
    if (start !== null) place(this.words, { x: start + GAP, y });
  }

  /// Where the room for the words begins: in the band if there is any, else beside it.
  private start(
    [left, right]: Range,
    width: number,
    blocks: readonly Range[],
  ): number | null {
    const room = lengthOf(this.words) + 2 * GAP;
    const inside = blocks.map(([, end]) => end).filter((x) => x > left && x < right);
    const starts = [left, ...inside.sort((a, b) => a - b)];
    const within = starts.filter((start) => start + room <= right);
    const beside = [right, left - room].filter((x) => x >= 0 && x + room <= width);
    const free = [...within, ...beside].find((start) =>
      blocks.every(([low, high]) => high <= start || low >= start + room),
    );
    return free ?? null;
  }
}

function sidesOf({ left, right }: Spot): Range {
  return [left, right];
}
