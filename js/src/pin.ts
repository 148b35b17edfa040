import { beside, type Size } from './placement';
import { element, lengthOf, place, show } from './svg';

// The figure's toolbar appears in the top right corner: there the label is lower.
const TOOLBAR = { width: 120, bottom: 34 };

/// An upright line with a label: where the pick is, or where it would be.
export class Pin {
  readonly node: SVGGElement;
  private readonly lines: SVGLineElement[];
  private readonly label = element('text', 'lr-widget-text');

  constructor(className: string) {
    this.node = element('g', className);
    this.lines = [element('line', 'lr-widget-halo'), element('line', 'lr-widget-line')];
    this.node.append(...this.lines, this.label);
    this.hide();
  }

  show(x: number, text: string, plot: Size, y: number): void {
    show(this.node, true);
    for (const line of this.lines) {
      place(line, { x1: x, x2: x, y1: 0, y2: plot.height });
    }
    this.label.textContent = text;
    const length = lengthOf(this.label);
    const { x: from, anchor } = beside(x, length, plot.width);
    const end = anchor === 'start' ? from + length : from;
    const under = end > plot.width - TOOLBAR.width;
    place(this.label, {
      x: from,
      y: under ? Math.max(y, TOOLBAR.bottom) : y,
      'text-anchor': anchor,
    });
  }

  hide(): void {
    show(this.node, false);
  }
}
