import { afterEach, beforeEach, expect, test } from 'vitest';
import { LegendModel, LegendView } from '../src/legend';
import { modelOf, viewOf } from './fake/kernel';

let legend: Awaited<ReturnType<typeof build>>;

const curve = (name: string, more = {}) => ({
  name,
  color: '#0072b2',
  hidden: false,
  front: false,
  text: '100 steps, lowest 0.41',
  ...more,
});

const suggestion = (name: string, more = {}) => ({
  name,
  color: '#e69f00',
  text: '1.66e-3',
  reason: 'the middle of the longest fall',
  doubt: '',
  picked: false,
  ...more,
});

const CURVES = [curve('sweep 1'), curve('sweep 2', { front: true })];

async function build(attributes = {}) {
  const { model, sent } = modelOf<LegendModel>(LegendModel, {
    curves: CURVES,
    suggestions: [suggestion('steepest'), suggestion('valley', { picked: true })],
    ...attributes,
  });
  const view = await viewOf<LegendView>(LegendView, model);
  document.body.append(view.el);
  return { model, sent, view, el: view.el };
}

const lists = () => [...legend.el.querySelectorAll('ul')] as HTMLUListElement[];

function button(name: string): HTMLButtonElement {
  const found = [...legend.el.querySelectorAll('button')].find(
    (b) => (b.getAttribute('aria-label') ?? b.textContent) === name,
  );
  if (!found) throw new Error(`no button ${name}`);
  return found;
}

const field = () => legend.el.querySelector('input') as HTMLInputElement;

function press(key: string, init: KeyboardEventInit = {}) {
  field().dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, ...init }));
}

function rename(to: string) {
  button('rename sweep 1').click();
  field().value = to;
}

beforeEach(async () => {
  legend = await build();
});

afterEach(() => {
  legend.view.remove();
});

test('each curve says its name, its words, and whether it is in front', () => {
  const [first, second] = lists()[0]?.children ?? [];
  expect(first?.textContent).toContain('sweep 1100 steps, lowest 0.41');
  expect(button('sweep 1').getAttribute('aria-pressed')).toBe('false');
  expect(button('sweep 2').getAttribute('aria-pressed')).toBe('true');
  const swatch = second?.querySelector<HTMLElement>('.lr-widget-swatch');
  expect(swatch?.style.backgroundColor).toBe('rgb(0, 114, 178)');
});

test.each([
  ['sweep 1', { action: 'front', name: 'sweep 1' }],
  ['hide sweep 1', { action: 'hide', name: 'sweep 1' }],
  ['remove sweep 2', { action: 'remove', name: 'sweep 2' }],
  ['steepest 1.66e-3', { action: 'take', name: 'steepest' }],
])('the button “%s” sends one action and changes nothing by itself', (name, action) => {
  const before = legend.el.innerHTML;
  button(name).click();
  expect(legend.sent).toEqual([action]);
  expect(legend.el.innerHTML).toBe(before);
});

test('a hidden curve can be shown again', () => {
  expect(button('hide sweep 1').getAttribute('aria-pressed')).toBe('false');
  legend.model.set('curves', [curve('sweep 1', { hidden: true }), CURVES[1]]);
  const eye = button('hide sweep 1');
  expect(eye.getAttribute('aria-pressed')).toBe('true');
  expect(eye.querySelector('i')?.className).toBe('fa fa-eye-slash');
  eye.click();
  expect(legend.sent).toEqual([{ action: 'show', name: 'sweep 1' }]);
});

test('a suggestion says its rate and its reason, and whether it is the pick', () => {
  const take = button('valley 1.66e-3');
  expect(take.getAttribute('aria-pressed')).toBe('true');
  const reason = document.getElementById(take.getAttribute('aria-describedby') ?? '');
  expect(reason?.textContent).toBe('the middle of the longest fall');
  legend.model.set('suggestions', [suggestion('valley')]);
  expect(take.getAttribute('aria-pressed')).toBe('false');
});

test('a suggestion in doubt is hollow, says why, and can still be taken', () => {
  const doubt = 'the loss never fell clearly';
  legend.model.set('suggestions', [suggestion('valley', { doubt })]);
  const take = button('valley 1.66e-3');
  const entry = take.closest('li');
  expect(entry?.classList.contains('lr-widget-doubtful')).toBe(true);
  const spot = entry?.querySelector<HTMLElement>('.lr-widget-spot');
  expect(spot?.style.backgroundColor).toBe('');
  expect(take.title).toBe(doubt);
  const told = document.getElementById(take.getAttribute('aria-describedby') ?? '');
  expect(told?.textContent).toBe(doubt);
  take.click();
  expect(legend.sent).toEqual([{ action: 'take', name: 'valley' }]);
  legend.model.set('suggestions', [suggestion('valley')]);
  expect(entry?.classList.contains('lr-widget-doubtful')).toBe(false);
  expect(spot?.style.backgroundColor).not.toBe('');
  expect(told?.textContent).toBe('the middle of the longest fall');
});

test('Enter gives the new name on one line and the focus back', () => {
  rename('  wd \n 1e-4 ');
  press('Enter');
  expect(legend.sent).toEqual([{ action: 'rename', name: 'sweep 1', to: 'wd 1e-4' }]);
  expect(field()).toBeNull();
  expect(document.activeElement).toBe(button('sweep 1'));
  legend.model.set('curves', [curve('wd 1e-4'), CURVES[1]]);
  expect(document.activeElement).toBe(button('wd 1e-4'));
});

test('a double click renames, and leaving the field gives the name once', () => {
  button('sweep 1').dispatchEvent(new MouseEvent('dblclick', { bubbles: true }));
  expect(field().value).toBe('sweep 1');
  expect(document.activeElement).toBe(field());
  field().value = 'first';
  field().blur();
  expect(legend.sent).toEqual([{ action: 'rename', name: 'sweep 1', to: 'first' }]);
});

test.each(['', '  ', 'sweep 1'])('Enter on “%s” renames nothing', (text) => {
  rename(text);
  press('Enter');
  expect(legend.sent).toEqual([]);
  expect(field()).toBeNull();
});

test('Escape keeps the old name', () => {
  rename('first');
  press('Escape');
  expect(legend.sent).toEqual([]);
  expect(button('sweep 1').hidden).toBe(false);
  expect(document.activeElement).toBe(button('sweep 1'));
});

test('Enter that ends an input method’s composition does not rename', () => {
  rename('学');
  press('Enter', { isComposing: true });
  expect(legend.sent).toEqual([]);
  expect(field()).not.toBeNull();
});

test('a name that another curve has is refused in the field', () => {
  rename('sweep 2');
  press('Enter');
  expect(legend.sent).toEqual([]);
  expect(field().validationMessage).toContain('sweep 2');
  field().value = 'sweep 3';
  field().dispatchEvent(new Event('input'));
  press('Enter');
  expect(legend.sent).toHaveLength(1);
});

test('an update that keeps the entries keeps the focus and what is being typed', () => {
  rename('fir');
  legend.model.set('curves', [curve('sweep 1', { text: '101 steps' }), CURVES[1]]);
  expect(document.activeElement).toBe(field());
  expect(field().value).toBe('fir');
  expect(legend.el.textContent).toContain('101 steps');
  const take = button('valley 1.66e-3');
  take.focus();
  legend.model.set('suggestions', [suggestion('valley', { text: '1.70e-3' })]);
  expect(document.activeElement).toBe(take);
  expect(take.textContent).toBe('valley 1.70e-3');
});

test('the focus stays on its entry when the order changes or one comes before', () => {
  button('hide sweep 2').focus();
  legend.model.set('curves', [CURVES[1], CURVES[0]]);
  expect(document.activeElement).toBe(button('hide sweep 2'));
  legend.model.set('curves', [curve('sweep 0'), CURVES[0], CURVES[1]]);
  expect(document.activeElement).toBe(button('hide sweep 2'));
  const names = [...legend.el.querySelectorAll('.lr-widget-name')];
  expect(names.map((n) => n.textContent)).toEqual(['sweep 0', 'sweep 1', 'sweep 2']);
});

test('the focus of a removed entry goes to the next, or to the one before', () => {
  legend.model.set('curves', [...CURVES, curve('sweep 3')]);
  button('remove sweep 2').focus();
  legend.model.set('curves', [curve('sweep 1'), curve('sweep 3')]);
  expect(document.activeElement).toBe(button('sweep 3'));
  legend.model.set('curves', [curve('sweep 1', { hidden: true })]);
  expect(document.activeElement).toBe(button('sweep 1'));
});

test('a single curve needs no legend, unless it is hidden', () => {
  legend.model.set('curves', [curve('sweep 1')]);
  expect(lists().map((list) => list.hidden)).toEqual([true, false]);
  legend.model.set('curves', [curve('sweep 1', { hidden: true })]);
  expect(lists()[0]?.hidden).toBe(false);
});

test('with nothing to say the legend takes no space', () => {
  legend.model.set({ curves: [curve('sweep 1')], suggestions: [] });
  expect(legend.el.hidden).toBe(true);
  legend.model.set('suggestions', [suggestion('valley')]);
  expect(legend.el.hidden).toBe(false);
});

test('names and reasons are text, never HTML', () => {
  const evil = '<img src=x onerror=alert(1)>';
  legend.model.set({
    curves: [curve(evil, { text: evil, color: `red;${evil}` }), CURVES[1]],
    suggestions: [suggestion(evil, { text: evil, reason: evil })],
  });
  expect(legend.el.querySelector('img')).toBeNull();
  expect(button(`hide ${evil}`)).toBeTruthy();
});

test('no key pressed in the legend reaches a shortcut', () => {
  let heard = 0;
  document.body.addEventListener('keydown', () => {
    heard++;
  });
  rename('d');
  press('d');
  expect(heard).toBe(0);
  expect(field().dataset['lmSuppressShortcuts']).toBe('true');
});
