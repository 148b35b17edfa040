import { beforeEach, expect, test } from 'vitest';
import { EpochTableModel, EpochTableView } from '../src/table';
import { modelOf, viewOf } from './fake/kernel';

let table: Awaited<ReturnType<typeof build>>;

async function build() {
  const { model } = modelOf<EpochTableModel>(EpochTableModel, {
    caption: 'epochs of the fit',
    columns: ['epoch', 'train_loss', '<img onerror=alert(1)>'],
    rows: [['1', '0.500000', '0.9']],
  });
  const { el } = await viewOf<EpochTableView>(EpochTableView, model);
  document.body.replaceChildren(el);
  const box = el.querySelector('.lr-widget-box') as HTMLElement;
  return { model, el, box };
}

const texts = (selector: string) =>
  [...table.el.querySelectorAll(selector)].map((node) => node.textContent);

/// jsdom lays nothing out: 20 px a row in a box of 60.
function layOut() {
  Object.defineProperty(table.box, 'clientHeight', { get: () => 60 });
  Object.defineProperty(table.box, 'scrollHeight', {
    get: () => Math.max(60, 20 * table.el.querySelectorAll('tbody tr').length),
  });
}

const epochs = (count: number) => Array.from({ length: count }, (_, i) => [`${i + 1}`]);

beforeEach(async () => {
  table = await build();
});

test('a table has named columns, a caption and its rows, all of it text', () => {
  expect(texts('th[scope=col]')).toEqual([
    'epoch',
    'train_loss',
    '<img onerror=alert(1)>',
  ]);
  expect(texts('td')).toEqual(['1', '0.500000', '0.9']);
  expect(texts('caption')).toEqual(['epochs of the fit']);
  expect(table.el.querySelector('img')).toBeNull();
  table.model.set({ columns: ['epoch'], rows: [['2'], ['3']] });
  expect(texts('th')).toEqual(['epoch']);
  expect(texts('tr')).toEqual(['epoch', '2', '3']);
});

test('the note is there only when it says something', () => {
  const note = table.el.querySelector('p') as HTMLElement;
  expect(note.hidden).toBe(true);
  table.model.set('note', '5 earlier epochs');
  expect(note.hidden).toBe(false);
  expect(note.textContent).toBe('5 earlier epochs');
});

test('the newest epoch is in view, unless a person has scrolled up', () => {
  layOut();
  table.model.set('rows', epochs(10));
  expect(table.box.scrollTop).toBe(200);
  table.box.scrollTop = 140; // as far down as a browser goes
  table.model.set('rows', epochs(11));
  expect(table.box.scrollTop).toBe(220);
  table.box.scrollTop = 40;
  table.model.set('rows', epochs(12));
  expect(table.box.scrollTop).toBe(40);
});

test('the box is scrolled by keys, which reach no shortcut, and keeps the focus', () => {
  const heard: string[] = [];
  table.el.addEventListener('keydown', ({ key }) => heard.push(key));
  table.box.focus();
  const event = new KeyboardEvent('keydown', { key: 'ArrowDown', bubbles: true });
  table.box.dispatchEvent(event);
  table.model.set('rows', epochs(3));
  expect(document.activeElement).toBe(table.box);
  expect(table.box.getAttribute('aria-label')).toBe('epochs of the fit');
  expect(heard).toEqual([]);
});
