import type { Pixel } from './box';
import { Card } from './card';
import type { Size } from './placement';
import { element, place, show } from './svg';

export interface Sight {
  /// Where the text goes.
  readonly at: Pixel;
  /// Where the line goes, if there is one.
  readonly line: number | null;
  /// The point on the curve, if it lies in the plot.
  readonly dot: Pixel | null;
  readonly lines: readonly string[];
}

/// What is under the pointer: a line, a dot on the curve, and the numbers there.
/// The line is a node of its own, to lie lower than words do.
export class Crosshair {
  readonly node = element('g', 'lr-widget-hover');
  readonly line = element('line', 'lr-widget-crosshair');
  private readonly dot = this.node.appendChild(element('circle', 'lr-widget-dot'));
  private readonly card = new Card();

  constructor() {
    place(this.dot, { r: 4 });
    this.node.append(this.card.node);
    this.hide();
  }

  show({ at, line, dot, lines }: Sight, plot: Size, top: number): void {
    show(this.node, true);
    show(this.line, line !== null);
    if (line !== null) place(this.line, { x1: line, x2: line, y1: 0, y2: plot.height });
    show(this.dot, dot !== null);
    if (dot) place(this.dot, { cx: dot.x, cy: dot.y });
    this.card.show(lines, at, plot, top);
  }

  hide(): void {
    show(this.node, false);
    show(this.line, false);
  }
}
