import { describe, expect, test } from 'vitest';
import { beside, covers, near, type Spot, spots } from '../src/placement';

const plot = { width: 800, height: 300 };

describe('beside', () => {
  test('puts a text on the right of the line', () => {
    expect(beside(100, 80, 800)).toEqual({ x: 108, anchor: 'start' });
  });

  test('flips a text that would leave the plot', () => {
    expect(beside(750, 80, 800)).toEqual({ x: 742, anchor: 'end' });
  });

  test('keeps a text inside the plot where neither side has room', () => {
    for (const x of [0, 30, 50, 70, 90]) {
      const { x: from, anchor } = beside(x, 90, 100);
      expect(anchor).toBe('start');
      expect(from).toBeGreaterThanOrEqual(0);
      expect(from + 90).toBeLessThanOrEqual(100);
    }
  });
});

describe('near', () => {
  const card = { width: 200, height: 60 };

  test('puts the card above the pointer, on the right', () => {
    expect(near({ x: 100, y: 200 }, card, plot, 40)).toEqual({ x: 112, y: 132 });
  });

  test('flips to the left at the right edge', () => {
    expect(near({ x: 700, y: 200 }, card, plot, 40).x).toBe(488);
  });

  test.each([800, 232])(
    'stays inside a plot %i pixels wide, wherever it is',
    (width) => {
      for (let x = 0; x <= width; x += 8) {
        for (let y = -20; y <= 320; y += 20) {
          const at = near({ x, y }, card, { width, height: 300 }, 40);
          expect(at.x).toBeGreaterThanOrEqual(0);
          expect(at.x + card.width).toBeLessThanOrEqual(width);
          expect(at.y).toBeGreaterThanOrEqual(40);
          expect(at.y + card.height).toBeLessThanOrEqual(300);
        }
      }
    },
  );

  test('goes under the pointer where there is room neither beside nor above it', () => {
    expect(near({ x: 116, y: 60 }, card, { width: 232, height: 300 }, 40).y).toBe(76);
  });
});

describe('spots', () => {
  const overlap = (a: Spot, b: Spot) =>
    a.left < b.right && b.left < a.right && Math.abs(a.y - b.y) < 15;

  const drops = (xs: number[], length = 90, y = 100) =>
    xs.map((x) => ({ x, y, length }));

  test('puts a lone label at the foot of its line, on the right', () => {
    expect(spots(drops([100]), plot)).toEqual([{ left: 108, right: 198, y: 292 }]);
  });

  test.each([
    ['far apart', [50, 200, 350, 500, 700]],
    ['close together', [400, 405, 410, 420, 440]],
    ['at one place', [400, 400, 400, 400, 400]],
    ['at the right edge', [780, 785, 790, 795, 800]],
    ['at the left edge', [0, 1, 2, 3, 4]],
    ['in any order', [500, 100, 300, 110, 505]],
  ])(
    'finds a place for five labels %s: none overlaps, none leaves the plot',
    (_, xs) => {
      const found = spots(drops(xs), plot);
      for (const [i, spot] of found.entries()) {
        expect(spot).not.toBeNull();
        if (!spot) continue;
        expect(spot.left).toBeGreaterThanOrEqual(0);
        expect(spot.right).toBeLessThanOrEqual(800);
        expect(
          found.filter((other, j) => other && j !== i && overlap(spot, other)),
        ).toEqual([]);
      }
    },
  );

  test('keeps labels off the lines and dots of others where it can', () => {
    const near = drops([400, 430]);
    const [first, second] = spots(near, plot);
    expect(first?.right).toBeLessThan(400);
    expect(second?.left).toBeGreaterThan(430);
  });

  test('lets a label stand beside its own dot where that lies low', () => {
    const [spot] = spots([{ x: 400, y: 290, length: 90 }], plot);
    expect(spot).toEqual({ left: 408, right: 498, y: 292 });
  });

  test('puts a label above a dot of another that lies in its row', () => {
    const low = { x: 440, y: 290, length: 380 };
    const [spot] = spots([{ x: 300, y: 100, length: 400 }, low], plot);
    expect(spot?.y).toBeLessThan(290 - 11);
  });

  test('keeps labels off what is taken already', () => {
    const taken = [{ left: 100, right: 130, y: 290 }];
    const [spot] = spots(drops([100]), plot, taken);
    expect(spot && taken.some((other) => overlap(spot, other))).toBe(false);
  });

  test('gives none to a label that is longer than the plot', () => {
    expect(spots(drops([50], 120), { width: 100, height: 300 })).toEqual([null]);
  });

  test('gives none where the rows are full', () => {
    const found = spots(drops([50, 50, 50]), { width: 160, height: 60 });
    expect(found.filter(Boolean)).toHaveLength(2);
  });

  test('gives the main one a label first, and wherever there is room at all', () => {
    const [left, main] = spots(
      [
        { x: 50, y: 100, length: 90 },
        { x: 50, y: 100, length: 90, main: true },
      ],
      { width: 160, height: 36 },
    );
    expect(left).toBeNull();
    expect(main).toEqual({ left: 58, right: 148, y: 28 });
    const small = { width: 100, height: 20 };
    const wide = { left: 0, right: 100, y: 12 };
    const drop = { x: 50, y: 10, length: 80 };
    expect(spots([drop], small, [wide])).toEqual([null]);
    expect(spots([{ ...drop, main: true }], small, [wide])).toEqual([
      { left: 16, right: 96, y: 12 },
    ]);
  });

  test('covers(…) is true on the label alone', () => {
    const [spot] = spots(drops([100]), plot) as [Spot];
    expect(covers(spot, { x: 150, y: 288 })).toBe(true);
    expect(covers(spot, { x: 150, y: 270 })).toBe(false);
    expect(covers(spot, { x: 100, y: 288 })).toBe(false);
  });
});
