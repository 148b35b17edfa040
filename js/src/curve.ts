/// One line of the chart: values against learning rates, as the kernel sent them.
export interface Trace {
  readonly lrs: ArrayLike<number>;
  readonly values: ArrayLike<number>;
}

/// What the curve says at one place.
export interface Reading {
  /// Where the point that was read lies.
  readonly lr: number;
  readonly value: number;
  /// The value before smoothing, where there is one.
  readonly raw: number | null;
  /// How much the curve rises per decade of learning rate.
  readonly slope: number | null;
}

// The slope is taken over this much of the curve, in decades to each side: over
// neighbouring steps it would be noise.
const REACH = 0.1;

/// The index of the point nearest to `lr` in log10, or -1 if there is none.
/// Learning rates that a log axis cannot show are passed over.
export function nearest(lrs: ArrayLike<number>, lr: number): number {
  return closest(lrs, lr, () => true);
}

/// What `line` (smoothed) and `raw` say at the drawn point nearest to `lr`.
/// Points that are not drawn (NaN, inf, lr <= 0) are passed over.
export function read(line: Trace, raw: Trace | null, lr: number): Reading | null {
  const at = closest(line.lrs, lr, (i) => Number.isFinite(line.values[i]));
  const value = line.values[at];
  const there = line.lrs[at];
  if (value === undefined || there === undefined) return null;
  return {
    lr: there,
    value,
    raw: raw && finite(raw.values[nearest(raw.lrs, there)]),
    slope: slope(line, at),
  };
}

/// The rise per decade around point `at`; null where it has no drawn neighbour.
export function slope({ lrs, values }: Trace, at: number): number | null {
  const reach = (direction: 1 | -1) => {
    let end = at;
    for (let i = at + direction; drawn(i); i += direction) {
      if (Math.abs(decades(i) - decades(at)) > REACH && end !== at) break;
      end = i;
    }
    return end;
  };
  const drawn = (i: number) => Number(lrs[i]) > 0 && Number.isFinite(values[i]);
  const decades = (i: number) => Math.log10(Number(lrs[i]));
  const [left, right] = [reach(-1), reach(1)];
  const rise = Number(values[right]) - Number(values[left]);
  return finite(rise / (decades(right) - decades(left)));
}

function closest(
  lrs: ArrayLike<number>,
  lr: number,
  counts: (index: number) => boolean,
): number {
  const target = Math.log10(lr);
  let best = -1;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < lrs.length; i++) {
    const distance = Math.abs(Math.log10(Number(lrs[i])) - target);
    if (distance < least && counts(i)) {
      least = distance;
      best = i;
    }
  }
  return best;
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}
