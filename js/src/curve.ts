export interface Point {
  readonly lr: number;
  readonly loss: number;
}

/// The point of the curve nearest to `lr` in log10, or null if there is none.
/// Points that are not drawn (NaN, inf, lr <= 0) are passed over.
export function nearest(
  lrs: ArrayLike<number>,
  losses: ArrayLike<number>,
  lr: number,
): Point | null {
  const target = Math.log10(lr);
  let best: Point | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < Math.min(lrs.length, losses.length); i++) {
    const point = { lr: Number(lrs[i]), loss: Number(losses[i]) };
    const distance = Math.abs(Math.log10(point.lr) - target);
    if (distance < least && Number.isFinite(point.loss)) {
      least = distance;
      best = point;
    }
  }
  return best;
}
