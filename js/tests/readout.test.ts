import { expect, test } from 'vitest';
import { lossText, lrText, readout } from '../src/readout';

test('lrText(lr) keeps three significant digits and no zero at the end', () => {
  expect(lrText(3.16227e-3)).toBe('3.16e-3');
  expect(lrText(3.2e-3)).toBe('3.2e-3');
  expect(lrText(1.0000000000000002e-3)).toBe('1e-3');
  expect(lrText(9.999e-4)).toBe('1e-3');
});

test('lrText(lr) is plain where people write it plain', () => {
  expect([0.1, 0.5, 1, 7.789, 10].map(lrText)).toEqual([
    '0.1',
    '0.5',
    '1',
    '7.79',
    '10',
  ]);
  expect(lrText(12345)).toBe('1.23e4');
});

test('lossText(loss) is plain where that is short', () => {
  expect([0, 1.8449, -0.5, 0.001, 12345].map(lossText)).toEqual([
    '0',
    '1.84',
    '-0.5',
    '0.001',
    '12300',
  ]);
  expect(lossText(0.000123)).toBe('1.23e-4');
  expect(lossText(1e9)).toBe('1e9');
});

test('readout(lr, null) names the learning rate alone', () => {
  expect(readout(3.2e-3, null)).toBe('lr 3.2e-3');
  expect(readout(3.2e-3, 1.84)).toBe('lr 3.2e-3 · loss 1.84');
});
