import { expect, test } from 'vitest';
import { nearest } from '../src/curve';

const lrs = new Float64Array([1e-4, 1e-3, 1e-2]);

test('nearest(…) measures distance in decades', () => {
  const losses = new Float64Array([3, 2, 1]);
  expect(nearest(lrs, losses, 3e-3)).toEqual({ lr: 1e-3, loss: 2 });
  expect(nearest(lrs, losses, 3.3e-3)).toEqual({ lr: 1e-2, loss: 1 });
});

test('nearest(…) passes over losses that are not numbers', () => {
  const losses = new Float64Array([3, Number.NaN, Number.POSITIVE_INFINITY]);
  expect(nearest(lrs, losses, 1e-2)).toEqual({ lr: 1e-4, loss: 3 });
});

test('nearest(…) passes over learning rates that a log axis cannot show', () => {
  expect(nearest([0, -1, Number.NaN, 1], [1, 2, 3, 4], 1e-9)).toEqual({
    lr: 1,
    loss: 4,
  });
});

test('nearest(…) of no data is null', () => {
  expect(nearest([], [], 1)).toBeNull();
  expect(nearest([1e-3], [], 1)).toBeNull();
});
