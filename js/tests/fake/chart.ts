import { WidgetModel } from '@jupyter-widgets/base';
import { LRPickerModel, LRPickerView } from '../../src/picker';
import { axis, figure } from './figure';
import { modelOf, viewOf } from './kernel';

/// Where a learning rate is: 800 pixels less 40 on each side show eight decades, 90
/// pixels each.
export const at = (lr: number) => 40 + (Math.log10(lr) + 7) * 90;

/// Where a value is: 300 pixels show 0 to 3.
export const high = (value: number) => 300 - 100 * value;

const lineOf = () => modelOf<WidgetModel>(WidgetModel, { x: [], y: [] }).model;

/// A picker on a chart, with a hand and keys to work it, and all that it sent.
export async function chart(traits: Record<string, unknown> = {}) {
  const [line, raw] = [lineOf(), lineOf()];
  const scales = { x_scale: axis(1e-7, 10, true), y_scale: axis(0, 3, false) };
  const { model, sent } = modelOf<LRPickerModel>(LRPickerModel, {
    ...scales,
    line,
    raw,
    ...traits,
  });
  const first = await view(model);
  return { model, sent, line, raw, ...scales, ...first };
}

/// One view of a picker, in a page.
export async function view(model: LRPickerModel) {
  const parent = figure();
  const children = async (child: WidgetModel) => child;
  const shown = await viewOf<LRPickerView>(LRPickerView, model, { parent, children });
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  document.body.append(svg);
  svg.append(parent.root);
  parent.group.append(shown.el);
  // On the screen at half its size, from (10, 20).
  shown.el.getBoundingClientRect = () => new DOMRect(10, 20, 400, 150);

  const part = (selector: string) => parent.root.querySelector(selector) as SVGElement;

  const pointer = (type: string, x: number, y = 150, init: PointerEventInit = {}) => {
    const screen = { clientX: 10 + x / 2, clientY: 20 + y / 2 };
    const mouse = { isPrimary: true, button: 0, pointerId: 1, pointerType: 'mouse' };
    const flags = { bubbles: true, cancelable: true };
    const event = new PointerEvent(type, { ...flags, ...mouse, ...screen, ...init });
    shown.el.dispatchEvent(event);
    return event;
  };

  const key = (name: string, init: KeyboardEventInit = {}) => {
    const flags = { bubbles: true, cancelable: true };
    const event = new KeyboardEvent('keydown', { key: name, ...flags, ...init });
    shown.el.dispatchEvent(event);
    return event;
  };

  return {
    view: shown,
    parent,
    svg,
    part,
    pointer,
    key,
    hidden: (selector: string) => part(selector).getAttribute('display') === 'none',
    lines: (selector: string) =>
      [...part(selector).querySelectorAll('tspan')].map((row) => row.textContent),
    place: (selector: string, name = 'x1') => Number(part(selector).getAttribute(name)),
    aria: (name: string) => shown.el.getAttribute(`aria-${name}`),
    /// A press and a release at one place.
    click: (x: number, y = 150, init: PointerEventInit = {}) => {
      pointer('pointerdown', x, y, init);
      pointer('pointerup', x, y, init);
    },
  };
}

export type Chart = Awaited<ReturnType<typeof chart>>;
