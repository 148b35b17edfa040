import { afterEach, expect, test } from 'vitest';
import { keepKeys } from '../src/shortcuts';

const root = document.createElement('div');

afterEach(() => {
  root.remove();
});

test('whatever has the focus inside is marked itself, also what comes later', () => {
  document.body.append(root);
  keepKeys(root);
  const button = document.createElement('button');
  root.append(button);
  expect(button.dataset['lmSuppressShortcuts']).toBeUndefined();
  button.focus();
  expect(button.dataset['lmSuppressShortcuts']).toBe('true');
});

test('keys do not leave it', () => {
  let heard = 0;
  const hear = () => {
    heard += 1;
  };
  document.body.append(root);
  document.body.addEventListener('keydown', hear);
  const button = document.createElement('button');
  root.append(button);
  button.dispatchEvent(new KeyboardEvent('keydown', { key: 'd', bubbles: true }));
  document.body.removeEventListener('keydown', hear);
  expect(heard).toBe(0);
});
