import { describe, expect, test } from 'vitest';
import { shows, valueAt } from '../src/axis';
import { toPlot } from '../src/box';
import { axis } from './fake/figure';

describe('valueAt', () => {
  const { scale } = axis(1e-7, 10, true);

  test('is the value under the pixel', () => {
    expect(valueAt(scale, 0.5)).toBeCloseTo(1e-3, 12);
  });

  test('stays within the axis', () => {
    expect(valueAt(scale, -1)).toBe(1e-7);
    expect(valueAt(scale, 2)).toBe(10);
  });

  test('is null where the axis has no domain', () => {
    expect(valueAt(axis(Number.NaN, Number.NaN, true).scale, 0.5)).toBeNull();
  });

  test('works on an axis that runs backwards', () => {
    expect(valueAt(axis(10, 1e-7, true).scale, -1)).toBe(10);
    expect(shows(axis(10, 1e-7, true).scale, 1e-3)).toBe(true);
  });
});

test('toPlot(…) undoes zoom and scaling of the page', () => {
  const box = { left: 100, top: 50, width: 400, height: 150 };
  const plot = { width: 800, height: 300 };
  expect(toPlot({ clientX: 300, clientY: 125 }, box, plot)).toEqual({ x: 400, y: 150 });
});
