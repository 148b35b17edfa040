import { WidgetModel } from '@jupyter-widgets/base';
import { beforeEach, expect, test } from 'vitest';
import { LRPickerModel, LRPickerView } from '../src/picker';
import { axis, figure } from './fake/figure';
import { modelOf, viewOf } from './fake/kernel';

// 800 pixels less 40 on each side show eight decades: 90 pixels each.
const at = (lr: number) => 40 + (Math.log10(lr) + 7) * 90;

let picker: Awaited<ReturnType<typeof build>>;

async function build(lr: number | null = null) {
  const { model: line } = modelOf<WidgetModel>(WidgetModel, { x: [], y: [] });
  const scales = { x_scale: axis(1e-7, 10, true), y_scale: axis(0, 3, false) };
  const { model, sent } = modelOf<LRPickerModel>(LRPickerModel, {
    ...scales,
    line,
    lr,
  });
  const parent = figure();
  const view = await show(model, parent);
  return { model, sent, view, parent, line, ...scales };
}

async function show(model: LRPickerModel, parent: ReturnType<typeof figure>) {
  const children = async (child: WidgetModel) => child;
  const view = await viewOf<LRPickerView>(LRPickerView, model, { parent, children });
  // On the screen at half its size, from (10, 20).
  view.el.getBoundingClientRect = () => new DOMRect(10, 20, 400, 150);
  return view;
}

function pointer(type: string, x: number, y = 150, init: PointerEventInit = {}) {
  const screen = { clientX: 10 + x / 2, clientY: 20 + y / 2 };
  const mouse = { isPrimary: true, button: 0, pointerId: 1, pointerType: 'mouse' };
  picker.view.el.dispatchEvent(
    new PointerEvent(type, { ...mouse, ...screen, ...init }),
  );
}

function part(selector: string): Element {
  return picker.parent.group.querySelector(selector) as Element;
}

const hidden = (selector: string) => part(selector).getAttribute('display') === 'none';

beforeEach(async () => {
  picker = await build();
});

test('a click sends one pick with the learning rate under the cursor', () => {
  pointer('pointermove', at(1e-3));
  pointer('pointerdown', at(1e-3));
  pointer('pointerup', at(1e-3));
  expect(picker.sent).toEqual([{ action: 'pick', lr: expect.closeTo(1e-3, 12) }]);
  expect(picker.model.get('lr')).toBeNull();
});

test('a click in the padding picks the end of the axis', () => {
  pointer('pointerdown', 0);
  pointer('pointerup', 0);
  expect(picker.sent).toEqual([{ action: 'pick', lr: 1e-7 }]);
});

test.each([
  ['a drag', () => [pointer('pointerdown', 100), pointer('pointerup', 200)]],
  [
    'the other button',
    () => [
      pointer('pointerdown', 100, 150, { button: 2 }),
      pointer('pointerup', 100, 150, { button: 2 }),
    ],
  ],
  [
    'a second finger',
    () => [
      pointer('pointerdown', 100, 150, { isPrimary: false, pointerId: 2 }),
      pointer('pointerup', 100, 150, { isPrimary: false, pointerId: 2 }),
    ],
  ],
  [
    'a scroll by touch',
    () => [
      pointer('pointerdown', 100, 150, { pointerType: 'touch' }),
      pointer('pointercancel', 100),
      pointer('pointerup', 100),
    ],
  ],
  ['a press that began elsewhere', () => [pointer('pointerup', 100)]],
])('%s picks nothing', (_name, gesture) => {
  gesture();
  expect(picker.sent).toEqual([]);
});

test('hovering shows the learning rate alone before there is data', () => {
  pointer('pointermove', at(1e-3));
  expect(part('.lr-widget-hover text').textContent).toBe('lr 1e-3');
  expect(hidden('.lr-widget-dot')).toBe(true);
  expect(picker.sent).toEqual([]);
});

test('hovering follows the curve, and data that comes meanwhile', () => {
  pointer('pointermove', at(1e-3));
  picker.line.set({ x: new Float64Array([1e-3]), y: new Float64Array([1.5]) });
  picker.line.trigger('data_updated');
  expect(part('.lr-widget-hover text').textContent).toBe('lr 1e-3 · loss 1.5');
  expect(Number(part('.lr-widget-dot').getAttribute('cx'))).toBeCloseTo(at(1e-3));
  expect(Number(part('.lr-widget-dot').getAttribute('cy'))).toBeCloseTo(150);
});

test('a point far from the crosshair is not its loss', () => {
  picker.line.set({ x: [1e-6], y: [1.5] });
  pointer('pointermove', at(1));
  expect(part('.lr-widget-hover text').textContent).toBe('lr 1');
});

test('the crosshair goes when the pointer leaves', () => {
  pointer('pointermove', at(1e-3));
  expect(hidden('.lr-widget-hover')).toBe(false);
  pointer('pointerleave', at(1e-3));
  expect(hidden('.lr-widget-hover')).toBe(true);
});

test('the pick is drawn where the kernel says', () => {
  expect(hidden('.lr-widget-pick')).toBe(true);
  picker.model.set('lr', 3.2e-3);
  expect(hidden('.lr-widget-pick')).toBe(false);
  expect(part('.lr-widget-pick text').textContent).toBe('lr 3.2e-3');
  expect(
    Number(part('.lr-widget-pick .lr-widget-line').getAttribute('x1')),
  ).toBeCloseTo(at(3.2e-3));
  picker.model.set('lr', null);
  expect(hidden('.lr-widget-pick')).toBe(true);
});

test('the pick moves with the size of the plot, and goes with zoom', () => {
  picker.model.set('lr', 1e-3);
  picker.parent.plotareaWidth = 480;
  picker.parent.trigger('margin_updated');
  expect(part('.lr-widget-pick .lr-widget-line').getAttribute('x1')).toBe('240');
  picker.x_scale.set({ min: 1e-2, max: 1 });
  picker.x_scale.trigger('domain_changed');
  expect(hidden('.lr-widget-pick')).toBe(true);
});

test('a view that comes later shows the pick', async () => {
  picker = await build(1e-2);
  expect(part('.lr-widget-pick text').textContent).toBe('lr 1e-2');
});

test('a removed view leaves nothing behind and hears nothing more', () => {
  picker.view.remove();
  expect(picker.parent.group.childElementCount).toBe(0);
  expect(picker.x_scale.removed && picker.y_scale.removed).toBe(true);
  pointer('pointerdown', 100);
  pointer('pointerup', 100);
  picker.model.set('lr', 1e-3);
  picker.parent.trigger('margin_updated');
  expect(picker.sent).toEqual([]);
});

test('two views of one picker show one pick', async () => {
  const other = figure();
  await show(picker.model, other);
  picker.model.set('lr', 1e-4);
  expect(other.group.querySelector('.lr-widget-pick text')?.textContent).toBe(
    'lr 1e-4',
  );
  expect(part('.lr-widget-pick text').textContent).toBe('lr 1e-4');
});
