import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  LIMITS,
  panned,
  Viewport,
  type Window,
  wheelFactor,
  zoomed,
} from '../src/viewport';
import { axis } from './fake/figure';

const logAxis = (min = 1e-7, max = 10) => {
  const x = axis(min, max, true);
  x.setRange([0, 800]);
  return x;
};

const linearAxis = () => {
  const y = axis(0, 3, false);
  y.setRange([300, 0]);
  return y;
};

const close = (range: readonly number[], expected: number[]) => {
  expect(Math.log10(Number(range[0]))).toBeCloseTo(Math.log10(Number(expected[0])), 9);
  expect(Math.log10(Number(range[1]))).toBeCloseTo(Math.log10(Number(expected[1])), 9);
};

describe('zoomed', () => {
  test('halves the decades about the cursor, which keeps its value', () => {
    const x = logAxis().scale;
    close(zoomed(x, [1e-7, 10], 400, 0.5), [1e-5, 1e-1]);
    close(zoomed(x, [1e-7, 10], 0, 0.5), [1e-7, 1e-3]);
  });

  test('works on a linear axis whose pixels run down', () => {
    const y = linearAxis().scale;
    expect(zoomed(y, [0, 3], 300, 0.5)).toEqual([0, 1.5]);
    expect(zoomed(y, [0, 3], 150, 2)).toEqual([-1.5, 4.5]);
  });

  test('goes on from a range that the axis does not show yet', () => {
    close(zoomed(logAxis().scale, [1e-5, 1e-1], 400, 0.5), [1e-4, 1e-2]);
  });

  test('stays within the limits', () => {
    expect(zoomed(logAxis().scale, [1e-7, 10], 400, 100, LIMITS)).toEqual([1e-12, 1e4]);
  });

  test('never makes an interval that is empty or no number', () => {
    const x = logAxis().scale;
    expect(zoomed(x, [1e-7, 10], 400, 1e-12)).toEqual([1e-7, 10]);
    expect(zoomed(x, [1e-7, 10], 400, 1e6)).toEqual([1e-7, 10]);
    expect(zoomed(linearAxis().scale, [0, 3], 150, 1e-9)).toEqual([0, 3]);
  });
});

describe('panned', () => {
  test('moves the plane with the hand', () => {
    close(panned(logAxis().scale, [1e-7, 10], 100), [1e-8, 1]);
    expect(panned(linearAxis().scale, [0, 3], 100)).toEqual([1, 4]);
  });

  test('stops at the limits and keeps its width', () => {
    close(panned(logAxis().scale, [1e-7, 10], 5000, LIMITS), [1e-12, 1e-4]);
    close(panned(logAxis().scale, [1e-7, 10], -5000, LIMITS), [1e-4, 1e4]);
  });
});

describe('Viewport', () => {
  let frames: FrameRequestCallback[];
  let asked: Window[];
  let viewport: Viewport;
  const axes = { x: logAxis().scale, y: linearAxis().scale };
  const frame = () => {
    for (const callback of frames.splice(0)) callback(0);
  };

  beforeEach(() => {
    frames = [];
    asked = [];
    vi.useFakeTimers({ toFake: ['performance'] });
    vi.stubGlobal('requestAnimationFrame', (callback: FrameRequestCallback) =>
      frames.push(callback),
    );
    vi.stubGlobal('cancelAnimationFrame', () => frames.splice(0));
    vi.advanceTimersByTime(10_000);
    viewport = new Viewport((window) => asked.push(window));
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  test('asks once per frame, for all that happened since', () => {
    viewport.zoom(axes, { x: 400, y: 150 }, 0.5);
    viewport.zoom(axes, { x: 400, y: 150 }, 0.5);
    expect(asked).toEqual([]);
    frame();
    expect(asked).toHaveLength(1);
    close(asked[0]?.x ?? [], [1e-4, 1e-2]);
    expect(asked[0]?.y).toEqual([1.125, 1.875]);
  });

  test('leaves y alone where only x is zoomed', () => {
    viewport.zoom(axes, { x: 400, y: 150 }, 0.5, false);
    frame();
    expect(asked[0]?.y).toEqual([0, 3]);
  });

  test('leaves y alone where x is at its limits', () => {
    const widest = { ...axes, x: logAxis(...LIMITS).scale };
    viewport.zoom(widest, { x: 400, y: 150 }, 2);
    frame();
    expect(asked[0]).toEqual({ x: [1e-12, 1e4], y: [0, 3] });
  });

  test('after a rest it starts from what the axes show', () => {
    viewport.zoom(axes, { x: 400, y: 150 }, 0.5);
    vi.advanceTimersByTime(1000);
    viewport.zoom(axes, { x: 400, y: 150 }, 0.5);
    frame();
    close(asked[0]?.x ?? [], [1e-5, 1e-1]);
  });

  test('a drag is measured from where it began, whatever the axes show meanwhile', () => {
    viewport.grab(axes);
    viewport.pan(axes, { x: 100, y: 0 });
    frame();
    close(asked[0]?.x ?? [], [1e-8, 1]);
    viewport.pan({ ...axes, x: logAxis(1e-8, 1).scale }, { x: 200, y: 0 });
    frame();
    close(asked[1]?.x ?? [], [1e-9, 0.1]);
  });

  test('a drag that is called off asks for what was there', () => {
    viewport.grab(axes);
    viewport.pan(axes, { x: 100, y: 0 });
    viewport.restore();
    frame();
    expect(asked).toEqual([{ x: [1e-7, 10], y: [0, 3] }]);
    viewport.grab(axes);
    viewport.restore();
    frame();
    expect(asked).toHaveLength(1);
  });

  test('once removed it asks for nothing', () => {
    viewport.zoom(axes, { x: 400, y: 150 }, 0.5);
    viewport.remove();
    frame();
    expect(asked).toEqual([]);
  });
});

test('wheelFactor(…) zooms in upwards, out downwards, and never far at once', () => {
  const turn = (init: WheelEventInit) => wheelFactor(new WheelEvent('wheel', init));
  expect(turn({ deltaY: -100 })).toBeLessThan(1);
  expect(turn({ deltaY: 100 })).toBeGreaterThan(1);
  expect(turn({ deltaX: 100, shiftKey: true })).toBe(turn({ deltaY: 100 }));
  expect(turn({ deltaY: 3, deltaMode: 1 })).toBeCloseTo(2 ** 0.15);
  expect(turn({ deltaY: 1e6 })).toBe(4);
  expect(turn({ deltaY: -1e6 })).toBe(0.25);
});
