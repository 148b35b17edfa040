const DIGITS = 3;

/// A learning rate as people write it: `1e-3`, `3.16e-3`, `0.5`.
export function lrText(lr: number): string {
  return lr >= 0.1 && lr < 1e3 ? plain(lr) : exponential(lr);
}

/// A loss: plain where that is short, exponential where it is not.
export function lossText(loss: number): string {
  const size = Math.abs(loss);
  return size === 0 || (size >= 1e-3 && size < 1e5) ? plain(loss) : exponential(loss);
}

/// What stands beside the pointer.
export function readout(lr: number, loss: number | null): string {
  const label = `lr ${lrText(lr)}`;
  return loss === null ? label : `${label} · loss ${lossText(loss)}`;
}

// Both go through Number once, so that zeros at the end go: 1.00e-3 is 1e-3.

function plain(value: number): string {
  return String(Number(value.toPrecision(DIGITS)));
}

function exponential(value: number): string {
  return Number(value.toPrecision(DIGITS)).toExponential().replace('e+', 'e');
}
