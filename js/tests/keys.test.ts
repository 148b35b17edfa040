import { expect, test } from 'vitest';
import { commandOf } from '../src/keys';

const command = (key: string, init: KeyboardEventInit = {}) =>
  commandOf(new KeyboardEvent('keydown', { key, ...init }));

test('the arrows go by a step, with Shift by a tenth of a decade', () => {
  expect(command('ArrowRight')).toEqual({ by: 'step', direction: 1 });
  expect(command('ArrowUp')).toEqual({ by: 'step', direction: 1 });
  expect(command('ArrowLeft')).toEqual({ by: 'step', direction: -1 });
  expect(command('ArrowDown', { shiftKey: true })).toEqual({
    by: 'tenth',
    direction: -1,
  });
});

test('PageUp and PageDown go by a decade, Home and End to the ends', () => {
  expect(command('PageUp')).toEqual({ by: 'decade', direction: 1 });
  expect(command('PageDown')).toEqual({ by: 'decade', direction: -1 });
  expect(command('Home')).toEqual({ by: 'end', direction: -1 });
  expect(command('End')).toEqual({ by: 'end', direction: 1 });
});

test('Enter commits, Escape restores, + - 0 zoom', () => {
  const keys = ['Enter', 'Escape', '+', '-', '0'];
  expect(keys.map((key) => command(key))).toEqual([
    'commit',
    'restore',
    'in',
    'out',
    'reset',
  ]);
});

test('all other keys are the page’s, and so are those with Ctrl, Alt or Meta', () => {
  for (const key of ['Tab', 'a', ' ', 'toString', '1']) expect(command(key)).toBeNull();
  for (const held of ['ctrlKey', 'altKey', 'metaKey', 'isComposing']) {
    expect(command('ArrowLeft', { [held]: true })).toBeNull();
  }
});
