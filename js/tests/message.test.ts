import { expect, test } from 'vitest';
import { MessageModel, MessageView } from '../src/message';
import { modelOf, viewOf } from './fake/kernel';

test('a message is one polite live region whose element stays', async () => {
  const { model } = modelOf<MessageModel>(MessageModel, { value: 'idle' });
  const { el } = await viewOf<MessageView>(MessageView, model);
  expect(el.outerHTML).toMatch(/^<p [^>]*role="status" aria-live="polite"/);
  expect(el.textContent).toBe('idle');
  model.set('value', '<b>done</b>');
  expect(el.textContent).toBe('<b>done</b>');
  expect(el.children).toHaveLength(0);
});

test('a text that is the same again is not written again, and so not spoken', async () => {
  const { model } = modelOf<MessageModel>(MessageModel, { value: 'idle' });
  const { el } = await viewOf<MessageView>(MessageView, model);
  const text = el.firstChild;
  model.trigger('change:value');
  expect(el.firstChild).toBe(text);
});
