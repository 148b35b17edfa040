import { expect, test } from 'vitest';
import { ButtonModel, ButtonView } from '../src/button';
import { modelOf, viewOf } from './fake/kernel';

async function button(state: Record<string, unknown>) {
  const { model, sent } = modelOf<ButtonModel>(ButtonModel, state);
  const { el } = await viewOf<ButtonView>(ButtonView, model);
  return { el: el as HTMLButtonElement, model, sent };
}

test('a button has its words as its name, and an icon that is not read', async () => {
  const { el, model } = await button({ description: 'Run', icon: 'play' });
  expect(el.tagName).toBe('BUTTON');
  expect(el.textContent).toBe('Run');
  expect(el.querySelector('i.fa-play')?.getAttribute('aria-hidden')).toBe('true');
  model.set({ description: '<b>', icon: 'pause' });
  expect(el.textContent).toBe('<b>');
  expect(el.querySelectorAll('i.fa-pause')).toHaveLength(1);
  expect(el.querySelector('b')).toBeNull();
});

test('a click is sent, once, and nothing of a button that is disabled', async () => {
  const { el, model, sent } = await button({ description: 'Run' });
  el.click();
  expect(sent).toEqual([{ action: 'click' }]);
  model.set('disabled', true);
  el.click();
  expect(sent).toHaveLength(1);
  expect(el.getAttribute('aria-disabled')).toBe('true');
});

test('a button that is disabled keeps the focus', async () => {
  const { el, model } = await button({ description: 'Run' });
  document.body.append(el);
  el.focus();
  model.set('disabled', true);
  expect(document.activeElement).toBe(el);
  el.remove();
});

test('a key pressed on a button does not get to the notebook', async () => {
  const { el } = await button({ description: 'Run' });
  document.body.append(el);
  const heard: string[] = [];
  document.body.addEventListener('keydown', ({ key }) => heard.push(key));
  el.dispatchEvent(new KeyboardEvent('keydown', { key: 'd', bubbles: true }));
  expect(heard).toEqual([]);
  expect(el.dataset['lmSuppressShortcuts']).toBe('true');
  el.remove();
});
