import { type Axis, ends, type Range } from './axis';
import type { Size, Spot } from './placement';
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

  /// Draws it, with its words beside the upright lines at `lines`, and tells where
  /// they are.
  show(stretch: Stretch | null, x: Axis, plot: Size, lines: readonly number[]): Spot[] {
    const [low, high] = ends(x);
    const from = Math.max(stretch?.start ?? high, low);
    const to = Math.min(stretch?.end ?? low, high);
    for (const node of [this.ground, this.words]) show(node, from < to);
    if (from >= to) return [];
    const [left, right] = [x(from), x(to)];
    const [width, { height }] = [right - left, plot];
    // Of its outline only the upright sides.
    const sides = `0 ${width} ${height} ${width} ${height}`;
    place(this.light, { x: left, y: 0, width, height, 'stroke-dasharray': sides });
    place(this.strip, { d: `M${left},${height - STRIP}H${right}v${STRIP}H${left}Z` });
    const length = lengthOf(this.words);
    const start = this.start([left, right], plot.width, length + 2 * GAP, lines);
    show(this.words, start !== null);
    if (start === null) return [];
    const [first, y] = [start + GAP, height - RISE];
    place(this.words, { x: first, y });
    return [{ left: first, right: first + length, y }];
  }

  /// Where the room for the words begins, so that they cross no line: in the band if they can, else
  /// beside it.
  private start(
    [left, right]: Range,
    width: number,
    room: number,
    lines: readonly number[],
  ): number | null {
    const inside = lines.filter((line) => line > left && line < right);
    const starts = [left, ...inside.sort((a, b) => a - b)];
    const within = starts.filter((start) => start + room <= right);
    const beside = [right, left - room].filter((x) => x >= 0 && x + room <= width);
    const free = [...within, ...beside].find(
      (start) => !lines.some((line) => line > start && line < start + room),
    );
    return free ?? null;
  }
}
