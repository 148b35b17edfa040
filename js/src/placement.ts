const GAP = 8;

export interface Placement {
  readonly x: number;
  readonly anchor: 'start' | 'end';
}

/// Where a text of `length` beside a line at `x` starts: on the right while it
/// fits there, else on the left; where it fits on neither side, on the roomier.
export function beside(x: number, length: number, width: number): Placement {
  const fitsRight = x + GAP + length <= width;
  const fitsLeft = x - GAP - length >= 0;
  const right = fitsRight || (!fitsLeft && x < width / 2);
  return right ? { x: x + GAP, anchor: 'start' } : { x: x - GAP, anchor: 'end' };
}
