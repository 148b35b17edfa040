import { describe, expect, test } from 'vitest';
import type { Move } from '../src/keys';
import { moved, next, snapped } from '../src/steps';

const lrs = new Float64Array([1e-4, 3e-4, 1e-3, 3e-3]);
const axis = [1e-5, 1e-1] as const;

test('snapped(…) is exactly the tested learning rate nearest in log10', () => {
  expect(snapped(lrs, 5e-4)).toBe(3e-4);
  expect(snapped(lrs, 6e-4)).toBe(1e-3);
  expect(snapped([], 6e-4)).toBe(6e-4);
});

test('next(…) is the following tested learning rate, exactly', () => {
  expect(next(lrs, 3e-4, 1)).toBe(1e-3);
  expect(next(lrs, 3e-4, -1)).toBe(1e-4);
  expect(next(lrs, 5e-4, 1)).toBe(1e-3);
  expect(next(lrs, 3e-3, 1)).toBeNull();
});

test('next(…) does not stay where rounding has moved the draft a little', () => {
  expect(next(lrs, 3e-4 * (1 - 1e-15), 1)).toBe(1e-3);
});

test('next(…) passes over what is no learning rate', () => {
  expect(next([Number.NaN, -1, 0, 2], 1, 1)).toBe(2);
  expect(next([Number.NaN, -1, 0, 2], 1, -1)).toBeNull();
});

describe('moved', () => {
  const go = (
    from: number,
    by: Move['by'],
    direction: 1 | -1,
    snap = false,
    xs = lrs,
  ) => moved(from, { by, direction }, { lrs: xs, axis, snap });

  test('goes by tested steps, and stays at the last one', () => {
    expect(go(3e-4, 'step', 1)).toBe(1e-3);
    expect(go(3e-3, 'step', 1)).toBe(3e-3);
  });

  test('goes by a tenth of a decade where there is no curve', () => {
    expect(go(1e-3, 'step', 1, false, new Float64Array())).toBeCloseTo(
      1e-3 * 10 ** 0.1,
      12,
    );
  });

  test('goes by a tenth of a decade, by a decade, to the ends', () => {
    expect(go(1e-3, 'tenth', -1)).toBeCloseTo(1e-3 / 10 ** 0.1, 12);
    expect(go(1e-3, 'decade', 1)).toBeCloseTo(1e-2, 12);
    expect(go(1e-3, 'end', -1)).toBe(1e-5);
    expect(go(1e-3, 'end', 1)).toBe(1e-1);
  });

  test('stays within the axis', () => {
    expect(go(5e-2, 'decade', 1)).toBe(1e-1);
    expect(go(7, 'step', -1)).toBe(3e-3);
    expect(go(7, 'step', 1)).toBe(1e-1);
    expect(
      moved(
        3e-4,
        { by: 'step', direction: 1 },
        { lrs, axis: [2e-4, 5e-4], snap: false },
      ),
    ).toBe(3e-4);
  });

  test('with snap every way leads to a tested learning rate', () => {
    expect(go(1e-4, 'decade', 1, true)).toBe(1e-3);
    expect(go(1e-4, 'end', 1, true)).toBe(3e-3);
    expect(go(1e-4, 'end', -1, true)).toBe(1e-4);
  });

  test('with snap a tenth of a decade is a step where the steps are wider', () => {
    expect(go(3e-4, 'tenth', 1, true)).toBe(1e-3);
    expect(go(3e-4, 'tenth', -1, true)).toBe(1e-4);
    expect(go(3e-3, 'tenth', 1, true)).toBe(3e-3);
  });
});
