import { describe, expect, test } from 'vitest';
import { nearest, read, slope } from '../src/curve';

const lrs = new Float64Array([1e-4, 1e-3, 1e-2]);
const values = new Float64Array([3, 2, 1]);

test('nearest(…) measures distance in decades', () => {
  expect(nearest(lrs, 3e-3)).toBe(1);
  expect(nearest(lrs, 3.3e-3)).toBe(2);
});

test('nearest(…) passes over learning rates that a log axis cannot show', () => {
  expect(nearest([0, -1, Number.NaN, 1], 1e-9)).toBe(3);
  expect(nearest([], 1)).toBe(-1);
});

describe('read', () => {
  test('says the value, the raw value and the slope at the nearest point', () => {
    const raw = { lrs, values: [3.5, 2.5, 1.5] };
    expect(read({ lrs, values }, raw, 1.1e-3)).toEqual({
      lr: 1e-3,
      value: 2,
      raw: 2.5,
      slope: -1,
    });
  });

  test('passes over values that are not numbers', () => {
    const gap = { lrs, values: [3, Number.NaN, Number.POSITIVE_INFINITY] };
    expect(read(gap, null, 1e-2)).toEqual({
      lr: 1e-4,
      value: 3,
      raw: null,
      slope: null,
    });
  });

  test('knows no raw value where the step had none', () => {
    const raw = { lrs, values: [3, Number.NaN, 1] };
    expect(read({ lrs, values }, raw, 1e-3)?.raw).toBeNull();
    expect(read({ lrs, values }, { lrs: [], values: [] }, 1e-3)?.raw).toBeNull();
  });

  test('is null of no data', () => {
    expect(read({ lrs: [], values: [] }, null, 1)).toBeNull();
    expect(read({ lrs: [1e-3], values: [] }, null, 1)).toBeNull();
  });
});

describe('slope', () => {
  const fine = Array.from({ length: 101 }, (_, i) => 10 ** (-4 + i / 50));

  test('is the rise per decade, whatever the distance of the steps', () => {
    const line = { lrs: fine, values: fine.map((lr) => -2 * Math.log10(lr)) };
    expect(slope(line, 50)).toBeCloseTo(-2);
    expect(slope(line, 0)).toBeCloseTo(-2);
    expect(slope(line, 100)).toBeCloseTo(-2);
  });

  test('evens out the noise between neighbouring steps', () => {
    const noisy = fine.map((lr, i) => Math.log10(lr) + (i % 2 ? 0.01 : -0.01));
    const steps = (Number(noisy[51]) - Number(noisy[50])) / 0.02;
    expect(steps).toBeGreaterThan(1.9);
    expect(slope({ lrs: fine, values: noisy }, 50)).toBeCloseTo(1);
  });

  test('does not reach over a gap', () => {
    const values = fine.map((lr, i) => (i === 52 ? Number.NaN : i > 52 ? 99 : lr * 0));
    expect(slope({ lrs: fine, values }, 50)).toBe(0);
  });
});
