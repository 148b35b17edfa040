import { type Axis, ends, type Range } from './axis';
import type { Size } from './placement';
import { element, lengthOf, place, show } from './svg';

// How thick the strip on the axis is, where above the axis its words are written, and
// how high they reach.
const STRIP = 3;
const RISE = 6;
const REACH = 14;
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

  /// Draws it, with its words beside the upright lines at `lines`, and tells how many
  /// pixels above the axis are for them.
  show(stretch: Stretch | null, x: Axis, plot: Size, lines: readonly number[]): number {
    const [low, high] = ends(x);
    const from = Math.max(stretch?.start ?? high, low);
    const to = Math.min(stretch?.end ?? low, high);
    for (const node of [this.ground, this.words]) show(node, from < to);
    if (from >= to) return 0;
    const [left, right] = [x(from), x(to)];
    const [width, { height }] = [right - left, plot];
    // Of its outline only the upright sides.
    const sides = `0 ${width} ${height} ${width} ${height}`;
    place(this.light, { x: left, y: 0, width, height, 'stroke-dasharray': sides });
    place(this.strip, { d: `M${left},${height - STRIP}H${right}v${STRIP}H${left}Z` });
    const start = this.start([left, right], plot.width, lines);
    show(this.words, start !== null);
    if (start === null) return 0;
    place(this.words, { x: start, y: height - RISE });
    return REACH;
  }

  /// Where the words begin, so that they cross no line: in the band if they can, else
  /// beside it.
  private start(
    [left, right]: Range,
    width: number,
    lines: readonly number[],
  ): number | null {
    const room = lengthOf(this.words) + 2 * GAP;
    const inside = lines.filter((line) => line > left && line < right);
    const starts = [left, ...inside.sort((a, b) => a - b)];
    const within = starts.filter((start) => start + room <= right);
    const beside = [right, left - room].filter((x) => x >= 0 && x + room <= width);
    const free = [...within, ...beside].find(
      (start) => !lines.some((line) => line > start && line < start + room),
    );
    return free === undefined ? null : free + GAP;
  }
}
