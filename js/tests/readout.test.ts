import { describe, expect, test } from 'vitest';
import { lrText, readout, slopeText, spoken, valueText, wrapped } from '../src/readout';

const reading = { lr: 1.7e-3, value: 1.62, raw: 0.41, slope: -0.8 };

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

test('valueText(value) is plain where that is short', () => {
  const texts = [0, 1.8449, -0.5, 0.001, 12345].map((value) => valueText(value));
  expect(texts).toEqual(['0', '1.84', '-0.5', '0.001', '12300']);
  expect(valueText(0.000123)).toBe('1.23e-4');
  expect(valueText(1e9)).toBe('1e9');
});

test('slopeText(slope) always says which way the curve goes', () => {
  expect(slopeText(-0.8123)).toBe('−0.81 per decade');
  expect(slopeText(2)).toBe('+2 per decade');
  expect(slopeText(0)).toBe('0 per decade');
});

describe('readout', () => {
  test('has the learning rate, and the curve there in one line', () => {
    expect(readout(1.7e-3, 'loss', reading, false)).toEqual([
      'lr 1.7e-3',
      'loss 1.62 (raw 0.41), −0.8 per decade',
    ]);
  });

  test('has shorter lines where the plot is narrow', () => {
    expect(readout(1.7e-3, 'loss', reading, true)).toEqual([
      'lr 1.7e-3',
      'loss 1.62 (raw 0.41)',
      '−0.8 per decade',
    ]);
  });

  test('leaves out what is not known, and a raw value that says nothing new', () => {
    expect(readout(3.2e-3, 'loss', null, false)).toEqual(['lr 3.2e-3']);
    const bare = { ...reading, raw: null, slope: null };
    expect(readout(1e-3, 'accuracy', bare, false)[1]).toBe('accuracy 1.62');
    const same = { ...reading, raw: 1.6201, slope: null };
    expect(readout(1e-3, 'valid_loss', same, true)[1]).toBe('valid_loss 1.62');
  });
});

test('spoken(…) is a whole phrase', () => {
  expect(spoken(3.2e-3, 'loss', { ...reading, value: 1.84 })).toBe(
    'learning rate 3.2e-3, loss 1.84',
  );
  expect(spoken(3.2e-3, 'loss', null)).toBe('learning rate 3.2e-3');
  expect(spoken(null, 'loss', null)).toBe('no learning rate picked');
});

test('wrapped(text, columns) breaks between words, and never within one', () => {
  expect(wrapped('a tenth of the minimum', 9)).toEqual([
    'a tenth',
    'of the',
    'minimum',
  ]);
  expect(wrapped('indivisible word', 4)).toEqual(['indivisible', 'word']);
  expect(wrapped('', 9)).toEqual([]);
  expect(wrapped('down to 95\u00a0%', 9)).toEqual(['down to', '95\u00a0%']);
});
