import type { Pixel } from './box';
import { near, type Size } from './placement';
import { element, lengthOf, place, show } from './svg';

const LINE = 16;
const PADDING = 7;

/// A few lines of text on a ground of their own, near the pointer.
export class Card {
  readonly node = element('g', 'lr-widget-card');
  private readonly ground = this.node.appendChild(element('rect', 'lr-widget-ground'));
  private readonly text = this.node.appendChild(element('text', 'lr-widget-text'));

  constructor() {
    place(this.ground, { rx: 4 });
    this.hide();
  }

  /// Writes the lines, the first one bold, near `at`, below `top`, inside the plot.
  show(lines: readonly string[], at: Pixel, plot: Size, top: number): void {
    show(this.node, true);
    const rows = lines.map((line) => {
      const row = element('tspan', 'lr-widget-row');
      row.textContent = line;
      return row;
    });
    this.text.replaceChildren(...rows);
    const size = {
      width: Math.max(...rows.map(lengthOf)) + 2 * PADDING,
      height: lines.length * LINE + PADDING,
    };
    const { x, y } = near(at, size, plot, top);
    place(this.ground, { x, y, ...size });
    for (const [i, row] of rows.entries()) {
      place(row, { x: x + PADDING, y: y + LINE * (i + 1) - 1 });
    }
  }

  hide(): void {
    show(this.node, false);
  }
}
