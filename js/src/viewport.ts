import { type Axis, ends, type Range } from './axis';
import type { Pixel } from './box';
import { Frame } from './frame';

/// The learning rates beyond which the x axis does not go.
export const LIMITS: Range = [1e-12, 1e4];
// A window narrower than this, as a part of its values, is numerical noise.
const NARROWEST = 1e-6;
// A wheel that rested this long starts from what the axis shows by then.
const REST = 500;

export interface Axes {
  readonly x: Axis;
  readonly y: Axis;
}

export interface Window {
  readonly x: Range;
  readonly y: Range;
}

/// The part of the plane that a person asks to see by wheel, drag and key.
///
/// The kernel sets the axes; until it has, gestures go on from what was last asked
/// for. All is computed in the pixels of the axis as it is, which makes it one thing
/// for linear and log axes.
export class Viewport {
  private readonly frame = new Frame();
  private wanted: Window | null = null;
  private grabbed: Window | null = null;
  private carried = false;
  private asked = 0;

  constructor(private readonly ask: (window: Window) => void) {}

  /// Zooms about a pixel: in by a factor below 1, out by one above.
  zoom(axes: Axes, at: Pixel, factor: number, alsoY = true): void {
    const from = this.current(axes);
    const x = zoomed(axes.x, from.x, at.x, factor, LIMITS);
    // Where x has come to its limits y goes no further either.
    const stays = x[0] === from.x[0] && x[1] === from.x[1];
    const y = alsoY && !stays ? zoomed(axes.y, from.y, at.y, factor) : from.y;
    this.want({ x, y });
  }

  /// A hand takes hold of the plane.
  grab(axes: Axes): void {
    this.grabbed = this.current(axes);
    this.carried = false;
  }

  /// The hand has moved by so many pixels since.
  pan(axes: Axes, by: Pixel): void {
    if (!this.grabbed) return;
    this.carried = true;
    this.want({
      x: panned(axes.x, this.grabbed.x, by.x, LIMITS),
      y: panned(axes.y, this.grabbed.y, by.y),
    });
  }

  /// Puts back what was there when the hand took hold.
  restore(): void {
    if (this.grabbed && this.carried) this.want(this.grabbed);
    this.release();
  }

  release(): void {
    this.grabbed = null;
  }

  remove(): void {
    this.frame.cancel();
  }

  private current(axes: Axes): Window {
    if (performance.now() - this.asked > REST) this.wanted = null;
    return this.wanted ?? { x: ends(axes.x), y: ends(axes.y) };
  }

  private want(window: Window): void {
    this.wanted = window;
    this.asked = performance.now();
    this.frame.request(() => this.ask(window));
  }
}

/// The range after zooming about a pixel of the axis, or as it was where the result
/// would be nothing.
export function zoomed(
  axis: Axis,
  range: Range,
  pixel: number,
  factor: number,
  limits?: Range,
): Range {
  const [low, high] = pixels(axis, range);
  const [start, end] = pixels(axis, ends(axis));
  const fixed = low + ((pixel - start) / (end - start)) * (high - low);
  const far = (edge: number) => axis.invert(fixed + (edge - fixed) * factor);
  let [min, max] = [far(low), far(high)];
  if (limits) [min, max] = [Math.max(min, limits[0]), Math.min(max, limits[1])];
  return sound(axis, min, max) ? [min, max] : range;
}

/// The range after the plane was moved by `delta` pixels; at the limits it stays.
export function panned(axis: Axis, range: Range, delta: number, limits?: Range): Range {
  const [low, high] = pixels(axis, range);
  const [start, end] = pixels(axis, ends(axis));
  let shift = (-delta * (high - low)) / (end - start);
  if (limits) {
    // Along the axis, whichever way its pixels run.
    const way = Math.sign(high - low);
    const [first, last] = pixels(axis, limits);
    const room = [way * (first - low), way * (last - high)] as const;
    shift = way * Math.max(Math.min(way * shift, room[1]), room[0]);
  }
  const [min, max] = [axis.invert(low + shift), axis.invert(high + shift)];
  return sound(axis, min, max) ? [min, max] : range;
}

/// How much one turn of the wheel zooms.
export function wheelFactor(event: WheelEvent): number {
  // With Shift many browsers turn the wheel sideways.
  const turned = event.deltaY || event.deltaX;
  const unit = event.deltaMode === 1 ? 0.05 : event.deltaMode ? 1 : 0.002;
  return Math.min(Math.max(2 ** (turned * unit * (event.ctrlKey ? 10 : 1)), 0.25), 4);
}

function pixels(axis: Axis, [min, max]: Range): Range {
  return [axis(min), axis(max)];
}

function sound(axis: Axis, min: number, max: number): boolean {
  // Zero is a number that a log axis has no place for.
  if (![min, max, axis(min), axis(max)].every(Number.isFinite)) return false;
  return max - min > NARROWEST * Math.max(Math.abs(min), Math.abs(max));
}
