import type { Range } from './axis';
import { nearest } from './curve';
import type { Move } from './keys';

// Two learning rates closer than this, in decades, are one: 10 ** log10(lr) is not
// always lr.
const SAME = 1e-9;
const TENTH = 0.1;

/// The tested learning rate nearest to `lr` in log10; `lr` itself where none is known.
export function snapped(lrs: ArrayLike<number>, lr: number): number {
  return lrs[nearest(lrs, lr)] ?? lr;
}

/// The next tested learning rate after `lr` in a direction, or null.
export function next(
  lrs: ArrayLike<number>,
  lr: number,
  direction: 1 | -1,
): number | null {
  let best: number | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of Array.from(lrs)) {
    const away = direction * Math.log10(candidate / lr);
    if (candidate > 0 && away > SAME && away < least) {
      least = away;
      best = candidate;
    }
  }
  return best;
}

/// Where a key takes a draft that is at `from`: within the axis, and with `snap` on
/// a tested learning rate.
export function moved(
  from: number,
  { by, direction }: Move,
  { lrs, axis, snap }: { lrs: ArrayLike<number>; axis: Range; snap: boolean },
): number {
  const [low, high] = axis;
  const keep = (lr: number) => Math.min(Math.max(lr, low), high);
  if (by === 'step' && lrs.length) {
    const step = next(lrs, from, direction);
    return step !== null && step >= low && step <= high ? step : keep(from);
  }
  const decades = by === 'end' ? Infinity : by === 'decade' ? 1 : TENTH;
  const to = keep(from * 10 ** (direction * decades));
  if (!snap) return to;
  const tested = snapped(lrs, to);
  // A tenth of a decade may be less than a step: then the draft would never move.
  const stuck = Math.abs(Math.log10(tested / from)) < SAME;
  return stuck ? (next(lrs, from, direction) ?? tested) : tested;
}
