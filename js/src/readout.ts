import type { Reading } from './curve';

const DIGITS = 3;

/// A learning rate as people write it: `1e-3`, `3.16e-3`, `0.5`.
export function lrText(lr: number): string {
  return lr >= 0.1 && lr < 1e3 ? plain(lr) : exponential(lr);
}

/// A loss or a metric: plain where that is short, exponential where it is not.
export function valueText(value: number, digits = DIGITS): string {
  const size = Math.abs(value);
  return size === 0 || (size >= 1e-3 && size < 1e5)
    ? plain(value, digits)
    : exponential(value, digits);
}

/// How the curve goes: `−0.8 per decade`.
export function slopeText(slope: number): string {
  const size = valueText(Math.abs(slope), 2);
  const sign = slope < 0 ? '−' : '+';
  return `${size === '0' ? '' : sign}${size} per decade`;
}

/// The lines beside the pointer: shorter ones where the plot is narrow.
export function readout(
  lr: number,
  measure: string,
  reading: Reading | null,
  narrow: boolean,
): string[] {
  const lines = [`lr ${lrText(lr)}`];
  if (!reading) return lines;
  const { value, raw, slope } = reading;
  const [smooth, before] = [valueText(value), raw === null ? null : valueText(raw)];
  const said = before === null || before === smooth ? '' : ` (raw ${before})`;
  const goes = slope === null ? [] : [slopeText(slope)];
  const level = `${measure} ${smooth}${said}`;
  return lines.concat(narrow ? [level, ...goes] : [[level, ...goes].join(', ')]);
}

/// What a screen reader says of the slider.
export function spoken(
  lr: number | null,
  measure: string,
  reading: Reading | null,
): string {
  if (lr === null) return 'no learning rate picked';
  const level = reading ? `, ${measure} ${valueText(reading.value)}` : '';
  return `learning rate ${lrText(lr)}${level}`;
}

/// The text in lines of at most `columns` characters; a longer word has its own.
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  // Not at a space that does not break, as before a %.
  for (const word of text.split(/[ \n]+/).filter(Boolean)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else {
      lines.push(word);
    }
  }
  return lines;
}

// Both go through Number once, so that zeros at the end go: 1.00e-3 is 1e-3.

function plain(value: number, digits = DIGITS): string {
  return String(Number(value.toPrecision(digits)));
}

function exponential(value: number, digits = DIGITS): string {
  return Number(value.toPrecision(digits)).toExponential().replace('e+', 'e');
}
