import { type Axis, ends } from './axis';
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
    const start = this.start(left, right, lines);
    show(this.words, start !== null);
    if (start === null) return 0;
    place(this.words, { x: start, y: height - RISE });
    return REACH;
  }

  /// The first place from the left where the words cross no line and stay in the band.
  private start(left: number, right: number, lines: readonly number[]): number | null {
    const room = lengthOf(this.words) + 2 * GAP;
    const inside = lines.filter((line) => line >= left && line <= right);
    const starts = [left, ...inside.sort((a, b) => a - b)];
    const free = starts.find((start) => {
      const crosses = (line: number) => line > start && line < start + room;
      return start + room <= right && !inside.some(crosses);
    });
    return free === undefined ? null : free + GAP;
  }
}
