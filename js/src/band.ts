import { type Axis, ends } from './axis';
import type { Size, Spot } from './placement';
import { element, lengthOf, place, show } from './svg';

// How thick the strip on the axis is, and how far its words are above the axis.
const STRIP = 3;
const RISE = 8;
const GAP = 5;

/// The learning rates to look at.
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/// Where to look: a light ground behind the curve, on a strip along the axis that says
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

  /// Draws it beside the upright lines at `lines`, and tells where its words are.
  show(stretch: Stretch | null, x: Axis, plot: Size, lines: readonly number[]): Spot[] {
    const [low, high] = ends(x);
    const from = Math.max(stretch?.start ?? high, low);
    const to = Math.min(stretch?.end ?? low, high);
    for (const node of [this.ground, this.words]) show(node, from < to);
    if (from >= to) return [];
    const { height } = plot;
    const [left, right] = [x(from), x(to)];
    place(this.light, { x: left, y: 0, width: right - left, height });
    place(this.strip, { d: `M${left},${height - STRIP}H${right}v${STRIP}H${left}Z` });
    const spot = this.spot(left, right, height - RISE, lines);
    show(this.words, spot !== null);
    if (!spot) return [];
    place(this.words, { x: spot.left, y: spot.y });
    return [spot];
  }

  /// The first place from the left where the words cross no line and stay in the band.
  private spot(
    left: number,
    right: number,
    y: number,
    lines: readonly number[],
  ): Spot | null {
    const length = lengthOf(this.words);
    const inside = lines.filter((line) => line >= left && line <= right);
    for (const start of [left, ...inside.sort((a, b) => a - b)]) {
      const spot = { left: start + GAP, right: start + GAP + length, y };
      if (spot.right + GAP > right) return null;
      const crosses = (line: number) => line > spot.left && line < spot.right + GAP;
      if (!inside.some(crosses)) return spot;
    }
    return null;
  }
}
