/// As much of a d3 scale as the picker needs: linear, log, or any other.
export interface Axis {
  (value: number): number;
  invert(pixel: number): number;
  domain(): number[];
}

export type Range = readonly [number, number];

/// The lowest and the highest value that the axis shows.
export function ends(axis: Pick<Axis, 'domain'>): Range {
  const domain = axis.domain();
  return [Math.min(...domain), Math.max(...domain)];
}

/// The value under a pixel, kept within the axis; null where there is no number.
export function valueAt(axis: Axis, pixel: number): number | null {
  const value = within(axis, axis.invert(pixel));
  return Number.isFinite(value) ? value : null;
}

/// The value, or the end of the axis that it lies beyond.
export function within(axis: Pick<Axis, 'domain'>, value: number): number {
  const [low, high] = ends(axis);
  return Math.min(Math.max(value, low), high);
}

/// Whether the axis shows `value`.
export function shows(axis: Pick<Axis, 'domain'>, value: number): boolean {
  const [low, high] = ends(axis);
  return value >= low && value <= high;
}
