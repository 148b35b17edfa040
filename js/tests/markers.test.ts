import { beforeEach, expect, test } from 'vitest';
import { at, type Chart, chart, high } from './fake/chart';

const suggestion = (
  name: string,
  lr: number,
  y: number,
  origin: object | null = null,
) => ({
  name,
  lr,
  y,
  color: '#E69F00',
  reason: '',
  doubt: '',
  origin,
});

const valley = suggestion('valley', 1.66e-3, 1.62);
const fall = suggestion('fall', 1.17e-2, 1.1);
const minimum = suggestion('minimum', 1e-2, 1, { lr: 1e-1, y: 0.5 });

let picker: Chart;

const parts = (selector: string) => [
  ...picker.parent.root.querySelectorAll<SVGElement>(`.lr-widget-markers ${selector}`),
];

beforeEach(async () => {
  picker = await chart();
});

test('a suggestion is a dot on the curve with a drop line and its number', () => {
  picker.model.set('suggestions', [valley]);
  expect(picker.place('.lr-widget-suggestion', 'cx')).toBeCloseTo(at(valley.lr), 9);
  expect(picker.place('.lr-widget-suggestion', 'cy')).toBeCloseTo(high(valley.y), 9);
  expect(picker.place('.lr-widget-drop', 'x1')).toBeCloseTo(at(valley.lr), 9);
  expect(picker.place('.lr-widget-drop', 'y2')).toBe(300);
  expect(parts('text').map((text) => text.textContent)).toEqual(['valley 1.66e-3']);
});

test('the minimum is joined to the tenth of it that is returned', () => {
  picker.model.set('suggestions', [minimum]);
  expect(picker.place('.lr-widget-origin', 'cx')).toBeCloseTo(at(1e-1), 9);
  expect(picker.place('.lr-widget-origin', 'cy')).toBeCloseTo(high(0.5), 9);
  const ends = ['x1', 'y1', 'x2', 'y2'].map((n) => picker.place('.lr-widget-join', n));
  const expected = [at(1e-2), high(1), at(1e-1), high(0.5)];
  for (const [i, end] of ends.entries())
    expect(end).toBeCloseTo(Number(expected[i]), 9);
  expect(parts('text').map((text) => text.textContent)).toContain('÷10');
});

test('the “÷10” stands on no dot', () => {
  const between = suggestion('fall', 10 ** -1.5, 0.75);
  picker.model.set('suggestions', [between, minimum]);
  const by = parts('.lr-widget-tenth text')[0];
  const away = Number(by?.getAttribute('x')) - at(between.lr);
  expect(by?.textContent).toBe('÷10');
  expect(Math.abs(away)).toBeGreaterThan(16);
});

test('five suggestions keep their dots, and labels that do not overlap', () => {
  const five = [1, 1.1, 1.2, 1.3, 1.4].map((x, i) => suggestion(`r${i}`, x * 1e-3, 1));
  picker.model.set('suggestions', five);
  expect(parts('circle')).toHaveLength(5);
  const rows = parts('text').map((text) => text.getAttribute('y'));
  expect(rows).toHaveLength(5);
});

test('a label above its dot is led to by the line as well', () => {
  const low = suggestion('low', 1e-3, 0.02);
  const others = [1.2e-3, 2e-3].map((lr) => suggestion('other', lr, 0.02));
  picker.model.set('suggestions', [low, ...others]);
  const lines = parts('.lr-widget-drop').map((line) => Number(line.getAttribute('y1')));
  const labels = parts('text').map((text) => Number(text.getAttribute('y')));
  const raised = labels.findIndex((y) => y + 8 < high(0.02));
  expect(raised).toBeGreaterThanOrEqual(0);
  expect(lines[raised]).toBeLessThan(Number(labels[raised]));
});

test('in a narrow plot the labels are names alone', () => {
  picker.model.set('suggestions', [valley]);
  picker.parent.plotareaWidth = 320;
  picker.parent.trigger('margin_updated');
  expect(parts('text').map((text) => text.textContent)).toEqual(['valley']);
});

test('what lies beside or below the plot is not drawn; above it the line stays', () => {
  picker.model.set('suggestions', [valley, minimum]);
  picker.x_scale.set({ min: 5e-3, max: 5e-2 });
  picker.x_scale.trigger('domain_changed');
  expect(parts('circle').map((dot) => dot.dataset['name'])).toEqual(['minimum']);
  expect(parts('.lr-widget-join')).toEqual([]);
  picker.y_scale.set({ min: 0, max: 0.5 });
  picker.y_scale.trigger('domain_changed');
  expect(parts('circle')).toEqual([]);
  expect(picker.place('.lr-widget-drop', 'y1')).toBe(0);
  expect(parts('text').map((text) => text.textContent)).toEqual(['minimum 1e-2']);
  picker.y_scale.set({ min: 2, max: 3 });
  picker.y_scale.trigger('domain_changed');
  expect(parts('*')).toEqual([]);
});

test('a suggestion without a height is not drawn', () => {
  picker.model.set('suggestions', [{ ...valley, y: null }]);
  expect(parts('*')).toEqual([]);
});

test('the fall is larger than the others, and on top of them', () => {
  const below = { ...valley, lr: fall.lr, y: fall.y };
  picker.model.set('suggestions', [fall, below]);
  const dots = parts('circle');
  expect(dots.map((dot) => dot.dataset['name'])).toEqual(['valley', 'fall']);
  const [small, large] = dots.map((dot) => Number(dot.getAttribute('r')));
  expect(large).toBeGreaterThan(Number(small) + 2);
  picker.click(at(fall.lr), high(fall.y));
  expect(picker.sent).toEqual([{ action: 'take', name: 'fall' }]);
});

test('the fall says its number also in a narrow plot, however many are around it', () => {
  const around = [1, 1.05, 1.1, 1.2].map((x) => suggestion(`r${x}`, x * fall.lr, 1));
  const words = () => parts('.lr-widget-main.lr-widget-text').map((t) => t.textContent);
  for (const width of [800, 320, 120, 80]) {
    picker.parent.plotareaWidth = width;
    picker.model.set('suggestions', [fall, ...around]);
    picker.parent.trigger('margin_updated');
    expect(words()).toEqual(['fall 1.17e-2']);
  }
});

test('a suggestion in doubt is hollow, says why, and can be taken', () => {
  const doubt = 'the loss never fell clearly';
  picker.model.set('suggestions', [{ ...valley, reason: 'a valley', doubt }, minimum]);
  const [sure, doubtful] = ['minimum', 'valley'].map((name) =>
    parts('circle').find((dot) => dot.dataset['name'] === name),
  );
  expect(doubtful?.classList.contains('lr-widget-doubtful')).toBe(true);
  expect(doubtful?.style.fill).toBe('');
  expect(sure?.classList.contains('lr-widget-doubtful')).toBe(false);
  expect(sure?.style.fill).not.toBe('');
  const doubtfulDrops = parts('line.lr-widget-drop.lr-widget-doubtful');
  expect(doubtfulDrops.map((drop) => drop.getAttribute('x1'))).toEqual([
    doubtful?.getAttribute('cx'),
  ]);
  picker.pointer('pointermove', at(valley.lr), high(valley.y));
  expect(picker.lines('.lr-widget-hover')).toEqual(['valley 1.66e-3', doubt]);
  picker.click(at(valley.lr), high(valley.y));
  expect(picker.sent).toEqual([{ action: 'take', name: 'valley' }]);
});

test('names and colours are text and paint, never markup', () => {
  const evil = '<img src=x onerror=alert(1)>';
  picker.model.set('suggestions', [
    { ...valley, name: evil, color: 'url(x);stroke:red' },
  ]);
  picker.model.set('regions', [{ name: evil, start: 1e-7, end: 10 }]);
  expect(picker.parent.root.querySelector('img')).toBeNull();
  expect(parts('text')[0]?.textContent).toContain(evil);
  expect(parts('circle')[0]?.getAttribute('style') ?? '').not.toContain('stroke');
});

test('the suggestion under the pointer stands out, also after a redraw', () => {
  picker.model.set('suggestions', [valley, minimum]);
  const aimed = () => parts('.lr-widget-aimed').map((node) => node.dataset['name']);
  picker.pointer('pointermove', at(valley.lr), high(valley.y));
  expect(new Set(aimed())).toEqual(new Set(['valley']));
  picker.y_scale.trigger('domain_changed');
  expect(new Set(aimed())).toEqual(new Set(['valley']));
  picker.pointer('pointerleave', 0);
  expect(aimed()).toEqual([]);
});
