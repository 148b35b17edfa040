/// As much of a d3 scale as the picker needs.
export interface Invertible {
  invert(pixel: number): number;
  domain(): number[];
}

/// The value under a pixel, kept within the axis; null where there is no number.
export function valueAt(scale: Invertible, pixel: number): number | null {
  const value = scale.invert(pixel);
  const domain = scale.domain();
  const clamped = Math.min(Math.max(value, Math.min(...domain)), Math.max(...domain));
  return Number.isFinite(clamped) ? clamped : null;
}

/// Whether the axis shows `value`.
export function shows(scale: Invertible, value: number): boolean {
  const domain = scale.domain();
  return value >= Math.min(...domain) && value <= Math.max(...domain);
}
