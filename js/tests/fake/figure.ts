import { WidgetModel } from '@jupyter-widgets/base';
import { modelOf } from './kernel';

const SVG = 'http://www.w3.org/2000/svg';

/// A log or linear axis as bqplot's scale views have it.
class Axis extends WidgetModel {
  removed = false;
  private range: [number, number] = [0, 1];

  get model() {
    return this;
  }

  setRange(range: [number, number]) {
    this.range = range;
  }

  remove() {
    this.removed = true;
  }

  get scale() {
    const log: boolean = this.get('log');
    const [bend, unbend] = log
      ? [Math.log10, (v: number) => 10 ** v]
      : [(v: number) => v, (v: number) => v];
    const [a, b] = [bend(this.get('min')), bend(this.get('max'))];
    const [p, q] = this.range;
    const map = (value: number) => p + ((bend(value) - a) / (b - a)) * (q - p);
    return Object.assign(map, {
      invert: (pixel: number) => unbend(a + ((pixel - p) / (q - p)) * (b - a)),
      domain: () => [this.get('min'), this.get('max')],
    });
  }
}

export const axis = (min: number, max: number, log: boolean): Axis =>
  modelOf<Axis>(Axis, { min, max, log }).model;

/// An 800 x 300 plot whose x range is padded by 40 pixels on each side.
export function figure() {
  const { model } = modelOf<WidgetModel>(WidgetModel, {});
  const [root, marks, group] = ['g', 'g', 'g'].map((tag) =>
    document.createElementNS(SVG, tag),
  ) as [SVGElement, SVGElement, SVGElement];
  root.append(marks, group);
  return Object.assign(model, {
    plotareaWidth: 800,
    plotareaHeight: 300,
    root,
    group,
    fig_marks: { node: () => marks },
    interaction: { node: () => group },
    padded_range(direction: 'x' | 'y'): [number, number] {
      return direction === 'x'
        ? [40, this.plotareaWidth - 40]
        : [this.plotareaHeight, 0];
    },
  });
}
