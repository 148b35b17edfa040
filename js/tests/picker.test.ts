import { beforeEach, describe, expect, test, vi } from 'vitest';
import { decimal } from '../src/slider';
import { at, type Chart, chart, high, view } from './fake/chart';
import { axis } from './fake/figure';

const HOVER = '.lr-widget-hover';
const PICK = '.lr-widget-pick';
const LABEL = '.lr-widget-pick text';
const LINE = '.lr-widget-pick .lr-widget-line';

let picker: Chart;

beforeEach(async () => {
  document.body.replaceChildren();
  picker = await chart();
});

describe('reading', () => {
  test('shows the learning rate alone before there is data, and sends nothing', () => {
    picker.pointer('pointermove', at(1e-3));
    expect(picker.lines(HOVER)).toEqual(['lr 1e-3']);
    expect(picker.hidden('.lr-widget-dot')).toBe(true);
    expect(picker.sent).toEqual([]);
  });

  test('follows the curve, and data that comes meanwhile', () => {
    picker.pointer('pointermove', at(1e-3));
    picker.line.set({ x: new Float64Array([1e-3]), y: new Float64Array([1.5]) });
    picker.line.trigger('data_updated');
    expect(picker.lines(HOVER)).toEqual(['lr 1e-3', 'loss 1.5']);
    picker.raw.set({ x: new Float64Array([1e-3]), y: new Float64Array([0.41]) });
    picker.raw.trigger('data_updated');
    expect(picker.lines(HOVER)).toEqual(['lr 1e-3', 'loss 1.5 (raw 0.41)']);
    expect(picker.place('.lr-widget-dot', 'cx')).toBeCloseTo(at(1e-3));
    expect(picker.place('.lr-widget-dot', 'cy')).toBeCloseTo(high(1.5));
  });

  test('says the slope per decade, and the measure by its name', () => {
    picker.line.set({ x: [1e-4, 1e-3, 1e-2], y: [2.5, 1.5, 0.5] });
    picker.model.set('measure', 'accuracy');
    picker.pointer('pointermove', at(1e-3));
    expect(picker.lines(HOVER)[1]).toBe('accuracy 1.5, −1 per decade');
  });

  test('puts the dot where a log y axis has the value', async () => {
    picker.y_scale.set({ log: true, min: 1e-2, max: 1e2 });
    picker.line.set({ x: [1e-3], y: [10] });
    picker.pointer('pointermove', at(1e-3));
    expect(picker.place('.lr-widget-dot', 'cy')).toBeCloseTo(75);
  });

  test('leaves the dot out where the value is beyond the plot', () => {
    picker.line.set({ x: [1e-3], y: [30] });
    picker.pointer('pointermove', at(1e-3));
    expect(picker.lines(HOVER)[1]).toBe('loss 30');
    expect(picker.hidden('.lr-widget-dot')).toBe(true);
  });

  test('says nothing of a point far from the pointer', () => {
    picker.line.set({ x: [1e-6], y: [1.5] });
    picker.pointer('pointermove', at(1));
    expect(picker.lines(HOVER)).toEqual(['lr 1']);
  });

  test('uses shorter lines in a narrow plot', () => {
    picker.line.set({ x: [1e-4, 1e-3, 1e-2], y: [2.5, 1.5, 0.5] });
    picker.parent.plotareaWidth = 320;
    picker.parent.trigger('margin_updated');
    picker.pointer('pointermove', 400);
    expect(picker.lines(HOVER)).toHaveLength(3);
  });

  test('ends when the pointer leaves', () => {
    picker.pointer('pointermove', at(1e-3));
    expect(picker.hidden(HOVER)).toBe(false);
    expect(picker.hidden('.lr-widget-crosshair')).toBe(false);
    picker.pointer('pointerleave', at(1e-3));
    expect(picker.hidden(HOVER)).toBe(true);
    expect(picker.hidden('.lr-widget-crosshair')).toBe(true);
  });

  test('with snap it reads what a click would pick', () => {
    picker.model.set('snap', true);
    picker.raw.set({ x: [1e-4, 2e-3], y: [1, 1] });
    picker.pointer('pointermove', at(1e-3));
    expect(picker.lines(HOVER)[0]).toBe('lr 2e-3');
    expect(picker.place('.lr-widget-crosshair')).toBeCloseTo(at(2e-3));
  });
});

describe('the pick', () => {
  test('is drawn where the kernel says', () => {
    expect(picker.hidden(PICK)).toBe(true);
    picker.model.set('lr', 3.2e-3);
    expect(picker.hidden(PICK)).toBe(false);
    expect(picker.part(LABEL).textContent).toBe('lr 3.2e-3');
    expect(picker.place(LINE)).toBeCloseTo(at(3.2e-3));
    picker.model.set('lr', null);
    expect(picker.hidden(PICK)).toBe(true);
  });

  test('moves with the size of the plot, and goes with zoom', () => {
    picker.model.set('lr', 1e-3);
    picker.parent.plotareaWidth = 480;
    picker.parent.trigger('margin_updated');
    expect(picker.place(LINE)).toBe(240);
    picker.x_scale.set({ min: 1e-2, max: 1 });
    picker.x_scale.trigger('domain_changed');
    expect(picker.hidden(PICK)).toBe(true);
  });

  test('has its label under the names of the regions', () => {
    picker.model.set('lr', 1e-3);
    const alone = picker.place(LABEL, 'y');
    picker.model.set('regions', [{ name: 'just right', start: 1e-5, end: 1 }]);
    expect(picker.place(LABEL, 'y')).toBeGreaterThanOrEqual(alone + 16);
  });
});

describe('the slider', () => {
  test('is one, with a name, and keeps its keys from the application', () => {
    expect(picker.view.el.getAttribute('role')).toBe('slider');
    expect(picker.view.el.getAttribute('tabindex')).toBe('0');
    expect(picker.view.el.dataset['lmSuppressShortcuts']).toBe('true');
    expect(picker.aria('label')).toBe('learning rate');
    expect(picker.aria('orientation')).toBe('horizontal');
    const span = [picker.aria('valuemin'), picker.aria('valuemax')];
    expect(span).toEqual(['0.0000001', '10']);
  });

  test('says what is picked, and the loss there once it is known', () => {
    expect(picker.aria('valuetext')).toBe('no learning rate picked');
    picker.model.set('lr', 3.2e-3);
    expect(picker.aria('valuenow')).toBe('0.0032');
    expect(picker.aria('valuetext')).toBe('learning rate 3.2e-3');
    picker.line.set({ x: [3e-3], y: [1.84] });
    picker.line.trigger('data_updated');
    expect(picker.aria('valuetext')).toBe('learning rate 3.2e-3, loss 1.84');
    picker.model.set('measure', 'valid_loss');
    expect(picker.aria('valuetext')).toBe('learning rate 3.2e-3, valid_loss 1.84');
  });

  test('writes its numbers in full, and exactly', () => {
    const lrs = [1e-12, 1.234567890123e-9, 0.1, 3.2e-3, 1e4];
    expect(lrs.map(decimal)).toEqual([
      '0.000000000001',
      '0.000000001234567890123',
      '0.1',
      '0.0032',
      '10000',
    ]);
  });

  test('always has a value within its ends, also where the pick is not on the axis', () => {
    expect(Number(picker.aria('valuenow'))).toBeCloseTo(1e-3, 12);
    picker.model.set('lr', 100);
    expect([picker.aria('valuemax'), picker.aria('valuenow')]).toEqual(['100', '100']);
  });
});

describe('regions', () => {
  const regions = [
    { name: 'too small', start: 1e-9, end: 1e-4 },
    { name: 'just right', start: 1e-4, end: 1e-1 },
    { name: 'diverging', start: 1e-1, end: 1.2e-1 },
  ];

  test('are bands behind the curve that end with the axis', () => {
    picker.model.set('regions', regions);
    const bands = [...picker.parent.root.querySelectorAll('.lr-widget-region')];
    expect(bands).toHaveLength(3);
    expect(Number(bands[0]?.getAttribute('x'))).toBeCloseTo(at(1e-7));
    expect(Number(bands[0]?.getAttribute('width'))).toBeCloseTo(270);
    const marks = picker.parent.fig_marks.node();
    const order = bands[0]?.compareDocumentPosition(marks) ?? 0;
    expect(order & Node.DOCUMENT_POSITION_FOLLOWING).toBeTruthy();
  });

  test('have their names, but not where the band is too narrow for it', () => {
    picker.model.set('regions', regions);
    const names = [...picker.parent.root.querySelectorAll('.lr-widget-regions text')];
    expect(names.map((name) => name.textContent)).toEqual(
      regions.map(({ name }) => name),
    );
    expect(names.map((name) => name.getAttribute('display'))).toEqual([
      null,
      null,
      'none',
    ]);
  });

  test('go with an empty list, and those off the axis are not drawn', () => {
    picker.model.set('regions', regions);
    picker.x_scale.set({ min: 1e-3, max: 1e-2 });
    picker.x_scale.trigger('domain_changed');
    expect(picker.parent.root.querySelectorAll('.lr-widget-region')).toHaveLength(1);
    picker.model.set('regions', []);
    expect(picker.part('.lr-widget-region')).toBeNull();
  });
});

describe('the band', () => {
  const WORDS = 'text.lr-widget-look';
  const GROUND = 'g.lr-widget-look';
  const band = { start: 1e-3, end: 1e-1 };

  test('is behind the curve, over the whole height, with a strip on the axis', () => {
    expect(picker.hidden(GROUND) && picker.hidden(WORDS)).toBe(true);
    picker.model.set('band', band);
    expect(picker.hidden(GROUND)).toBe(false);
    expect(picker.place('.lr-widget-light', 'x')).toBeCloseTo(at(1e-3));
    expect(picker.place('.lr-widget-light', 'width')).toBeCloseTo(180);
    expect(picker.place('.lr-widget-light', 'height')).toBe(300);
    const sides = picker.part('.lr-widget-light').getAttribute('stroke-dasharray');
    expect(sides?.split(' ').map(Number)).toEqual(
      [0, 180, 300, 180, 300].map((length) => expect.closeTo(length)),
    );
    expect(picker.part('.lr-widget-strip').getAttribute('d')).toMatch(
      /^M400,297H580v3/,
    );
    const marks = picker.parent.fig_marks.node();
    const order = picker.part(GROUND).compareDocumentPosition(marks);
    expect(order & Node.DOCUMENT_POSITION_FOLLOWING).toBeTruthy();
    picker.model.set('band', null);
    expect(picker.hidden(GROUND) && picker.hidden(WORDS)).toBe(true);
  });

  test('ends with the axis, and is gone where the axis does not reach', () => {
    picker.model.set('band', { start: 1e-9, end: 1e-6 });
    expect(picker.place('.lr-widget-light', 'x')).toBeCloseTo(at(1e-7));
    expect(picker.place('.lr-widget-light', 'width')).toBeCloseTo(90);
    picker.x_scale.set({ min: 1e-4, max: 1 });
    picker.x_scale.trigger('domain_changed');
    expect(picker.hidden(GROUND) && picker.hidden(WORDS)).toBe(true);
  });

  test('has its words where they cross no line and meet no label', () => {
    const fall = { name: 'fall', y: 1, color: '#000', reason: '', origin: null };
    picker.model.set({ band, suggestions: [{ ...fall, lr: 1.5e-3, doubt: '' }] });
    const left = picker.place('.lr-widget-markers text', 'x');
    expect(left).toBeGreaterThan(at(1.5e-3));
    const right = left + 7 * 'fall 1.5e-3'.length;
    expect(picker.hidden(WORDS)).toBe(false);
    expect(picker.place(WORDS, 'x')).toBeGreaterThan(right);
  });

  test('has its words beside it where it is too narrow for them', () => {
    picker.model.set('band', { start: 1e-3, end: 2e-3 });
    expect(picker.hidden(WORDS)).toBe(false);
    expect(picker.place(WORDS, 'x')).toBeGreaterThan(at(2e-3));
    const other = { name: 'slide', y: 1, color: '#000', reason: '', origin: null };
    picker.model.set('suggestions', [{ ...other, lr: 3e-3, doubt: '' }]);
    expect(picker.place(WORDS, 'x') + 63).toBeLessThan(at(1e-3));
  });

  test('has no words where there is no room for them', () => {
    picker.model.set('band', { start: 1e-3, end: 2e-3 });
    picker.parent.plotareaWidth = 100;
    picker.parent.trigger('margin_updated');
    expect(picker.hidden(GROUND)).toBe(false);
    expect(picker.hidden(WORDS)).toBe(true);
  });
});

describe('the levels', () => {
  const levels = [
    { name: '0 %', y: 2.5, lr: null },
    { name: '50 %', y: 1.5, lr: 1e-3 },
    { name: '95 %', y: 0.6, lr: 1e-2 },
  ];
  const all = (selector: string) => [
    ...picker.parent.root.querySelectorAll(`.lr-widget-levels ${selector}`),
  ];
  const ends = (line: Element | undefined) =>
    ['x1', 'y1', 'x2', 'y2'].map((name) => Number(line?.getAttribute(name)));

  test('are lines across the plot with names, and down from where the curve is', () => {
    picker.model.set('levels', levels);
    const lines = all('line').map(ends);
    expect(lines).toHaveLength(5);
    expect(lines[0]).toEqual([0, high(2.5), 800, high(2.5)]);
    expect(lines[2]).toEqual([
      expect.closeTo(at(1e-3)),
      high(1.5),
      expect.closeTo(at(1e-3)),
      300,
    ]);
    expect(all('text').map((text) => text.textContent)).toEqual([
      '0 %',
      '50 %',
      '95 %',
    ]);
    picker.model.set('levels', []);
    expect(all('*')).toEqual([]);
  });

  test('stand where a log y axis has them; off the axis there is nothing', () => {
    picker.y_scale.set({ log: true, min: 1, max: 100 });
    picker.model.set('levels', [{ name: '0 %', y: 10, lr: null }, levels[2]]);
    expect(all('line').map(ends)).toEqual([[0, 150, 800, 150]]);
    picker.x_scale.set({ min: 1e-7, max: 1e-5 });
    picker.model.set('levels', [{ name: '0 %', y: 10, lr: 1e-3 }]);
    expect(all('line').map(ends)).toEqual([[0, 150, 800, 150]]);
  });

  test('that are close have names that do not meet', () => {
    const close = [1, 1.01, 1.02].map((y) => ({ name: `${y}`, y, lr: null }));
    picker.model.set('levels', close);
    expect(all('line')).toHaveLength(3);
    const rows = all('text').map((text) => Number(text.getAttribute('y')));
    expect(rows).toHaveLength(2);
    expect(Math.abs(Number(rows[0]) - Number(rows[1]))).toBeGreaterThan(12);
  });

  test('have names below the row of the regions’', () => {
    picker.model.set('levels', [{ name: '0 %', y: 2.9, lr: null }]);
    const top = picker.place('.lr-widget-levels text', 'y');
    expect(top).toBeGreaterThanOrEqual(14 + 12);
  });
});

describe('the axes', () => {
  test('can be changed for others, linear or log', async () => {
    const before = picker.y_scale;
    picker.line.set({ x: [1e-3], y: [10] });
    picker.model.set('y_scale', axis(1, 100, true));
    await expect.poll(() => before.removed).toBe(true);
    picker.pointer('pointermove', at(1e-3));
    expect(picker.place('.lr-widget-dot', 'cy')).toBeCloseTo(150);
  });

  test('that were changed twice at once are the last ones', async () => {
    const [first, last] = [axis(1, 100, true), axis(0, 20, false)];
    picker.model.set('y_scale', first);
    picker.model.set('y_scale', last);
    await expect.poll(() => first.removed && picker.y_scale.removed).toBe(true);
    expect(last.removed).toBe(false);
    picker.line.set({ x: [1e-3], y: [10] });
    picker.pointer('pointermove', at(1e-3));
    expect(picker.place('.lr-widget-dot', 'cy')).toBeCloseTo(150);
  });
});

describe('views', () => {
  test('a view that comes later shows the same', async () => {
    picker.model.set('lr', 1e-2);
    const later = await view(picker.model);
    expect(later.part(LABEL).textContent).toBe('lr 1e-2');
    picker.model.set('lr', 1e-4);
    expect(later.part(LABEL).textContent).toBe('lr 1e-4');
    expect(picker.part(LABEL).textContent).toBe('lr 1e-4');
  });

  test('a draft is of its view alone', async () => {
    const other = await view(picker.model);
    picker.key('Home');
    expect(picker.hidden('.lr-widget-draft')).toBe(false);
    expect(other.hidden('.lr-widget-draft')).toBe(true);
  });

  test('a removed view leaves nothing behind and hears nothing more', () => {
    picker.view.remove();
    expect(picker.parent.root.querySelectorAll('[class^=lr-widget]')).toHaveLength(0);
    expect(picker.x_scale.removed && picker.y_scale.removed).toBe(true);
    picker.click(100);
    picker.key('Home');
    picker.key('Enter');
    picker.model.set('lr', 1e-3);
    picker.line.trigger('data_updated');
    picker.parent.trigger('margin_updated');
    expect(picker.sent).toEqual([]);
  });

  test('a removed view takes off every listener that it has put on its rect', async () => {
    const listen = vi.spyOn(Element.prototype, 'addEventListener');
    const { view: shown } = await chart();
    const own = listen.mock.calls.filter(
      (_, i) => listen.mock.contexts[i] === shown.el,
    );
    listen.mockRestore();
    const signals = own.map(
      ([, , options]) => (options as { signal: AbortSignal }).signal,
    );
    expect(signals.length).toBeGreaterThan(8);
    expect(signals.some((signal) => signal.aborted)).toBe(false);
    shown.remove();
    expect(signals.every((signal) => signal.aborted)).toBe(true);
  });
});
