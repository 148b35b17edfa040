import { expect, test } from 'vitest';
import { betaAt, betaText, positionOf } from '../src/smoothing';

test('the slider goes from no smoothing to 0.99, and is finest near its end', () => {
  expect(betaAt(0)).toBe(0);
  expect(betaAt(50)).toBe(0.9);
  expect(betaAt(85)).toBe(0.98);
  expect(betaAt(100)).toBe(0.99);
});

test('every position is a number of its own and is found again by it', () => {
  const positions = Array.from({ length: 101 }, (_, position) => position);
  expect(positions.map((position) => positionOf(betaAt(position)))).toEqual(positions);
  expect(new Set(positions.map(betaAt)).size).toBe(positions.length);
});

test('a smoothing beyond the slider, set in code, is shown at its end', () => {
  expect(positionOf(0.999)).toBe(100);
  expect(betaText(0.999)).toBe('0.999');
});

test('the number has no more than three digits', () => {
  expect(betaText(0.98)).toBe('0.98');
  expect(betaText(0.84151)).toBe('0.842');
  expect(betaText(0)).toBe('0');
});
