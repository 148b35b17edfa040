import { beforeEach, expect, test } from 'vitest';
import { FieldModel, FieldView } from '../src/field';
import { modelOf, viewOf } from './fake/kernel';

let field: Awaited<ReturnType<typeof build>>;

async function build() {
  const { model, sent } = modelOf<FieldModel>(FieldModel, {
    value: '0.001',
    description: 'max lr',
  });
  const view = await viewOf<FieldView>(FieldView, model);
  const input = view.el.querySelector('input') as HTMLInputElement;
  const error = view.el.querySelector('.lr-widget-error') as HTMLElement;
  const label = view.el.querySelector('label') as HTMLLabelElement;
  return { model, sent, view, input, error, label };
}

function type(text: string) {
  field.input.value = text;
}

function press(key: string, init: KeyboardEventInit = {}) {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, ...init });
  field.input.dispatchEvent(event);
}

function leave() {
  field.input.dispatchEvent(new Event('change', { bubbles: true }));
}

beforeEach(async () => {
  field = await build();
});

test('Enter sends what was typed, and leaving the field does not send it again', () => {
  type('2e-3');
  press('Enter');
  leave();
  expect(field.sent).toEqual([{ action: 'submit', text: '2e-3' }]);
});

test('leaving a changed field sends it', () => {
  type('2e-3');
  leave();
  expect(field.sent).toEqual([{ action: 'submit', text: '2e-3' }]);
});

test('Enter on what the kernel knows already sends nothing', () => {
  press('Enter');
  expect(field.sent).toEqual([]);
});

test('a refused text can be taken back to the value and submitted', () => {
  type('abc');
  press('Enter');
  type('0.001');
  press('Enter');
  expect(field.sent).toHaveLength(2);
});

test('the value is the kernel’s: a submit does not set it', () => {
  type('2e-3');
  press('Enter');
  expect(field.model.get('value')).toBe('0.001');
});

test('Escape puts back the value and sends nothing', () => {
  type('2e-3');
  press('Escape');
  leave();
  expect(field.input.value).toBe('0.001');
  expect(field.sent).toEqual([]);
});

test('an unrelated update leaves what is being typed alone', () => {
  type('2e');
  field.model.set({ placeholder: 'a number', disabled: false, error: 'no' });
  expect(field.input.value).toBe('2e');
  field.model.set('value', '0.5');
  expect(field.input.value).toBe('0.5');
});

test('an error is text that the input is described by', () => {
  field.model.set('error', '<b>not a number</b>');
  expect(field.error.textContent).toBe('<b>not a number</b>');
  expect(field.error.hidden).toBe(false);
  expect(field.input.getAttribute('aria-invalid')).toBe('true');
  expect(field.input.getAttribute('aria-describedby')).toBe(field.error.id);
  field.model.set('error', '');
  expect(field.error.hidden).toBe(true);
  expect(field.input.hasAttribute('aria-invalid')).toBe(false);
  expect(field.input.hasAttribute('aria-describedby')).toBe(false);
});

test('Escape puts the error aside; the same mistake brings it back', () => {
  field.model.set('error', 'not a number');
  press('Escape');
  expect(field.error.hidden).toBe(true);
  type('abc');
  press('Enter');
  expect(field.error.hidden).toBe(false);
});

test('the label names the input, and is gone without a description', () => {
  expect(field.label.htmlFor).toBe(field.input.id);
  expect(field.label.textContent).toBe('max lr');
  field.model.set('description', '');
  expect(field.label.style.display).toBe('none');
});

test('a disabled field takes no input', () => {
  field.model.set('disabled', true);
  expect(field.input.disabled).toBe(true);
});

test('keys typed in the field reach no shortcut', () => {
  let heard = 0;
  field.view.el.addEventListener('keydown', () => {
    heard++;
  });
  press('d');
  press('Enter');
  expect(heard).toBe(0);
  expect(field.input.dataset['lmSuppressShortcuts']).toBe('true');
});

test('Enter that ends an input method’s composition does not submit', () => {
  type('2e-3');
  press('Enter', { isComposing: true });
  expect(field.sent).toEqual([]);
});

test('what is being typed stays when the kernel sets another value', () => {
  document.body.append(field.view.el);
  field.input.focus();
  type('2e-');
  field.model.set('value', '5e-2');
  expect(field.input.value).toBe('2e-');
  type('2e-3');
  press('Enter');
  expect(field.sent).toEqual([{ action: 'submit', text: '2e-3' }]);
});

test('a focused field in which nothing is typed shows what the kernel sets', () => {
  document.body.append(field.view.el);
  field.input.focus();
  field.model.set('value', '5e-2');
  expect(field.input.value).toBe('5e-2');
});

test('a text that was selected to be typed over is selected still when it changes', () => {
  document.body.append(field.view.el);
  field.input.focus();
  field.input.select();
  field.model.set('value', '5e-2');
  const { selectionStart, selectionEnd } = field.input;
  expect([selectionStart, selectionEnd]).toEqual([0, '5e-2'.length]);
});

test('a caret in the text selects nothing when the text changes', () => {
  document.body.append(field.view.el);
  field.input.focus();
  field.input.setSelectionRange(1, 1);
  field.model.set('value', '5e-2');
  const { selectionStart, selectionEnd } = field.input;
  expect(selectionStart).toBe(selectionEnd);
});
