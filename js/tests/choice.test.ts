import { beforeEach, expect, test } from 'vitest';
import { ChoiceModel, ChoiceView } from '../src/choice';
import { modelOf, viewOf } from './fake/kernel';

type Callbacks = { iopub: { status(message: object): void } };

const OPTIONS = [
  ['torch', 'torch'],
  ['three-phase', 'torch, <b>three</b>-phase'],
  ['fastai', 'fastai'],
];

let choice: Awaited<ReturnType<typeof build>>;

async function build() {
  const { model, sent } = modelOf<ChoiceModel>(ChoiceModel, {
    options: OPTIONS,
    value: 'torch',
    description: 'schedule',
    tooltip: 'How the lr moves',
  });
  const asked: Callbacks[] = [];
  model.send = (content: unknown, callbacks?: unknown) => {
    sent.push(content);
    asked.push(callbacks as Callbacks);
  };
  const view = await viewOf<ChoiceView>(ChoiceView, model);
  const select = view.el.querySelector('select') as HTMLSelectElement;
  const label = view.el.querySelector('label') as HTMLLabelElement;
  document.body.replaceChildren(view.el);
  return { model, sent, asked, view, select, label };
}

function choose(value: string) {
  choice.select.value = value;
  choice.select.dispatchEvent(new Event('change', { bubbles: true }));
}

/// The kernel is done with the message of that number.
function answer(turn: number) {
  for (const state of ['busy', 'idle']) {
    choice.asked[turn]?.iopub.status({ content: { execution_state: state } });
  }
}

beforeEach(async () => {
  choice = await build();
});

test('the options are shown by name, as text, and the value is chosen', () => {
  const names = [...choice.select.options].map((option) => option.textContent);
  expect(names).toEqual(OPTIONS.map(([, name]) => name));
  expect(choice.select.querySelector('b')).toBeNull();
  expect(choice.select.value).toBe('torch');
});

test('a choice is sent, once, and its value is left to the kernel', () => {
  choose('fastai');
  expect(choice.sent).toEqual([{ action: 'choose', value: 'fastai' }]);
  expect(choice.model.get('value')).toBe('torch');
  expect(choice.select.value).toBe('fastai');
});

test('a choice that the kernel refused is taken back when it has answered', () => {
  choose('fastai');
  answer(0);
  expect(choice.select.value).toBe('torch');
});

test('a choice that the kernel took stays', () => {
  choose('fastai');
  choice.model.set('value', 'fastai');
  answer(0);
  expect(choice.select.value).toBe('fastai');
});

test('an answer to the choice before the last takes nothing back', () => {
  choose('fastai');
  choose('three-phase');
  answer(0);
  expect(choice.select.value).toBe('three-phase');
  answer(1);
  expect(choice.select.value).toBe('torch');
});

test('the list follows what the kernel sets', () => {
  choice.model.set('value', 'fastai');
  expect(choice.select.value).toBe('fastai');
  choice.model.set({ options: [['a', 'A']], value: 'a' });
  expect(choice.select.options).toHaveLength(1);
  expect(choice.select.value).toBe('a');
});

test('the label names the list, and is gone without a description', () => {
  expect(choice.label.htmlFor).toBe(choice.select.id);
  expect(choice.label.textContent).toBe('schedule');
  choice.model.set('description', '');
  expect(choice.label.style.display).toBe('none');
});

test('a tooltip, the order of tabs and being disabled are those of the list', () => {
  expect(choice.select.title).toBe('How the lr moves');
  choice.model.set({ tooltip: 'other', tabbable: false, disabled: true });
  expect(choice.select.title).toBe('other');
  expect(choice.select.tabIndex).toBe(-1);
  expect(choice.select.disabled).toBe(true);
});

test('keys pressed on the list reach no shortcut', () => {
  const heard: string[] = [];
  const hear = ({ key }: KeyboardEvent) => heard.push(key);
  document.body.addEventListener('keydown', hear);
  choice.select.focus();
  const event = new KeyboardEvent('keydown', { key: 'd', bubbles: true });
  choice.select.dispatchEvent(event);
  document.body.removeEventListener('keydown', hear);
  expect(heard).toEqual([]);
  expect(choice.select.dataset['lmSuppressShortcuts']).toBe('true');
});
