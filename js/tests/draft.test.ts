import { expect, test } from 'vitest';
import { Draft } from '../src/draft';

test('what keys do after Enter outlives the answer to it', () => {
  const draft = new Draft(() => {});
  draft.move(1e-3);
  draft.send(1e-3, null);
  draft.move(2e-3);
  draft.answer();
  expect(draft.lr).toBe(2e-3);
  expect(draft.isOpen).toBe(true);
});

test('a pick from elsewhere ends a draft that nobody holds', () => {
  const draft = new Draft(() => {});
  draft.move(1e-3);
  draft.answer();
  expect(draft.lr).toBeNull();
  draft.hold(1e-3);
  draft.answer();
  expect(draft.lr).toBe(1e-3);
});

test('what was sent stays until the answer', () => {
  const draft = new Draft(() => {});
  draft.hold(1e-3);
  draft.send(1e-3, 5e-4);
  expect(draft.lr).toBe(1e-3);
  draft.answer();
  expect(draft.lr).toBeNull();
});
