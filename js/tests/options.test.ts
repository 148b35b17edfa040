import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { OptionsModel, OptionsView } from '../src/options';
import { modelOf, viewOf } from './fake/kernel';

type Callbacks = { iopub: { status(message: object): void } };

let options: Awaited<ReturnType<typeof build>>;
let frames: Map<number, () => void>;

async function build(attributes: Record<string, unknown> = {}) {
  const { model, sent } = modelOf<OptionsModel>(OptionsModel, {
    measures: ['loss', 'accuracy'],
    ...attributes,
  });
  const asked: Callbacks[] = [];
  model.send = (content: unknown, callbacks?: unknown) => {
    sent.push(content);
    asked.push(callbacks as Callbacks);
  };
  const view = await viewOf<OptionsView>(OptionsView, model);
  document.body.append(view.el);
  return { model, sent, asked, view, el: view.el };
}

const smoothing = () => options.el.querySelector('select') as HTMLSelectElement;
const slider = () => options.el.querySelector('input[type=range]') as HTMLInputElement;
const number = () => options.el.querySelector('.lr-widget-number')?.textContent;
const select = () => options.el.querySelectorAll('select')[1] as HTMLSelectElement;
const whole = () =>
  [...options.el.querySelectorAll('button')].find(
    (b) => b.textContent === 'Whole curve',
  ) as HTMLButtonElement;
const box = (text: string) =>
  [...options.el.querySelectorAll('label')]
    .find((l) => l.textContent === text)
    ?.querySelector('input') as HTMLInputElement;

function choose(text: string) {
  smoothing().value = text;
  smoothing().dispatchEvent(new Event('change', { bubbles: true }));
}

function drag(position: number) {
  slider().value = String(position);
  slider().dispatchEvent(new Event('input', { bubbles: true }));
}

function release() {
  slider().dispatchEvent(new Event('change', { bubbles: true }));
}

function frame() {
  const callbacks = [...frames.values()];
  frames.clear();
  for (const callback of callbacks) callback();
}

/// The kernel is done with the last message.
function answer() {
  options.asked.at(-1)?.iopub.status({ content: { execution_state: 'busy' } });
  options.asked.at(-1)?.iopub.status({ content: { execution_state: 'idle' } });
}

beforeEach(async () => {
  frames = new Map();
  let last = 0;
  vi.stubGlobal('requestAnimationFrame', (callback: () => void) => {
    frames.set(++last, callback);
    return last;
  });
  vi.stubGlobal('cancelAnimationFrame', (id: number) => frames.delete(id));
  options = await build({ beta: 0.98 });
});

afterEach(() => {
  options.view.remove();
  vi.unstubAllGlobals();
});

test('the slider and its number show the kernel’s smoothing', () => {
  expect(number()).toBe('0.98');
  expect(slider().getAttribute('aria-valuetext')).toBe('0.98');
  options.model.set('beta', 0.9);
  expect(slider().value).toBe('50');
  expect(number()).toBe('0.9');
});

test('a drag sends one smoothing in a frame, and its last one at the end', () => {
  for (const position of [60, 50, 40]) drag(position);
  expect(options.sent).toEqual([]);
  frame();
  drag(30);
  drag(0);
  release();
  frame();
  expect(options.sent).toEqual([
    { action: 'set', name: 'beta', value: 0.8415 },
    { action: 'set', name: 'beta', value: 0 },
  ]);
});

test('letting go of what is sent already sends nothing more', () => {
  drag(50);
  frame();
  release();
  expect(options.sent).toHaveLength(1);
});

test('while a person drags, the number is theirs; later answers do not jerk it', () => {
  drag(50);
  options.model.set('beta', 0.5);
  expect(number()).toBe('0.9');
  frame();
  release();
  options.model.set('beta', 0.6);
  expect(number()).toBe('0.9');
  options.model.set('beta', 0.9);
  answer();
  options.model.set('beta', 0.5);
  expect(number()).toBe('0.5');
});

test('the slider follows the kernel again where no idle comes, as while a cell awaits', () => {
  drag(50);
  release();
  options.model.set('beta', 0.9);
  options.model.set('beta', 0.5);
  expect(number()).toBe('0.5');
});

test('a smoothing that the kernel refused goes back to the kernel’s', () => {
  drag(50);
  release();
  answer();
  expect(number()).toBe('0.98');
  expect(slider().value).toBe('85');
});

test('a removed view sends nothing from a frame that was still to come', () => {
  drag(50);
  options.view.remove();
  frame();
  expect(options.sent).toEqual([]);
});

test('with the centred kernel, which is null, there is no slider', async () => {
  options.view.remove();
  options = await build();
  expect(smoothing().value).toBe('centred kernel');
  expect(slider().closest('[hidden]')).not.toBeNull();
  options.model.set('beta', 0.9);
  expect(smoothing().value).toBe('moving average');
  expect(slider().closest('[hidden]')).toBeNull();
  expect(number()).toBe('0.9');
  options.model.set('beta', null);
  expect(smoothing().value).toBe('centred kernel');
  expect(slider().closest('[hidden]')).not.toBeNull();
});

test('the moving average begins at 0.98, and later where its slider was', async () => {
  options.view.remove();
  options = await build();
  choose('moving average');
  drag(50);
  release();
  choose('centred kernel');
  choose('moving average');
  expect(options.sent.map((message) => (message as { value: unknown }).value)).toEqual([
    0.98,
    0.9,
    null,
    0.9,
  ]);
  expect(number()).toBe('0.9');
  expect(slider().value).toBe('50');
});

test('a number of the kernel’s is remembered to the digit', () => {
  options.model.set('beta', 0.95);
  choose('centred kernel');
  choose('moving average');
  expect(options.sent.at(-1)).toEqual({ action: 'set', name: 'beta', value: 0.95 });
});

test('a kernel that is chosen ends a drag: nothing of it is sent afterwards', () => {
  drag(50);
  choose('centred kernel');
  frame();
  expect(options.sent).toEqual([{ action: 'set', name: 'beta', value: null }]);
});

test('late answers to a drag do not bring the slider back', () => {
  drag(50);
  frame();
  choose('centred kernel');
  options.model.set('beta', 0.9);
  expect(smoothing().value).toBe('centred kernel');
  options.model.set('beta', null);
  options.model.set('beta', 0.5);
  expect(smoothing().value).toBe('moving average');
});

test('late answers to the kernel do not take the slider away', () => {
  choose('centred kernel');
  choose('moving average');
  options.model.set('beta', null);
  expect(slider().closest('[hidden]')).toBeNull();
  answer();
  expect(smoothing().value).toBe('centred kernel');
});

test('the choice of measures follows the kernel and sends what is chosen', () => {
  expect([...select().options].map((o) => o.value)).toEqual(['loss', 'accuracy']);
  select().value = 'accuracy';
  select().dispatchEvent(new Event('change'));
  expect(options.sent).toEqual([{ action: 'set', name: 'measure', value: 'accuracy' }]);
  options.model.set({ measures: ['loss', '<i>'], measure: '<i>' });
  expect(select().value).toBe('<i>');
  expect(select().querySelector('i')).toBeNull();
});

test('measures that did not change leave an open list of choices alone', () => {
  const first = select().options[0];
  options.model.set('measures', ['loss', 'accuracy']);
  options.model.set('measure', 'accuracy');
  expect(select().options[0]).toBe(first);
});

test('with one measure there is nothing to choose, and log stays', () => {
  options.model.set('measures', ['loss']);
  expect(select().closest('label')?.hidden).toBe(true);
  expect(box('log y').closest('[hidden]')).toBeNull();
});

test.each([
  ['log y', 'y_log'],
  ['regions', 'regions'],
  ['fall levels', 'levels'],
  ['snap', 'snap'],
  ['zoom', 'zoom'],
])('the checkbox %s sends %s, and shows what the kernel makes of it', (text, name) => {
  const before: boolean = options.model.get(name);
  expect(box(text).checked).toBe(before);
  box(text).click();
  expect(options.sent).toEqual([{ action: 'set', name, value: !before }]);
  expect(options.model.get(name)).toBe(before);
  answer();
  expect(box(text).checked).toBe(before);
  options.model.set(name, !before);
  expect(box(text).checked).toBe(!before);
});

test('the whole curve is asked for only when a part of it is shown', () => {
  expect(whole().getAttribute('aria-disabled')).toBe('true');
  whole().click();
  expect(options.sent).toEqual([]);
  options.model.set('zoomed', true);
  expect(whole().getAttribute('aria-disabled')).toBe('false');
  whole().focus();
  whole().click();
  expect(options.sent).toEqual([{ action: 'reset' }]);
  options.model.set('zoomed', false);
  expect(document.activeElement).toBe(whole());
});

test('every control has a name, and no key in it reaches a shortcut', () => {
  let heard = 0;
  document.body.addEventListener('keydown', () => {
    heard++;
  });
  const controls = options.el.querySelectorAll('input, select, button');
  expect(controls.length).toBe(13);
  for (const control of controls) {
    const labels = (control as HTMLInputElement).labels;
    const name = control.getAttribute('aria-label');
    expect(name || labels?.[0]?.textContent || control.textContent).toBeTruthy();
    expect(control.closest('[data-lm-suppress-shortcuts="true"]')).toBe(options.el);
    control.dispatchEvent(new KeyboardEvent('keydown', { key: 'd', bubbles: true }));
  }
  expect(heard).toBe(0);
});
