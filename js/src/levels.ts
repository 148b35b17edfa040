import { shows } from './axis';
import type { Spot } from './placement';
import type { Plot } from './plot';
import { element, lengthOf, place } from './svg';

const EDGE = 4;
// A name is above its line, or, where it would meet another, below it.
const ABOVE = -4;
const BELOW = 13;
// Above this the plot is for the names of regions.
const TOP = 26;

/// A height that the curve comes to, and where it does, if that is known.
export interface Level {
  readonly name: string;
  readonly y: number;
  readonly lr: number | null;
}

/// Level lines behind the curve, each with its name at the left, and lines down from
/// where the curve meets them.
export class Levels {
  readonly lines = element('g', 'lr-widget-levels');
  readonly names = element('g', 'lr-widget-levels');

  /// Draws them, and tells where their names are.
  show(levels: readonly Level[], plot: Plot): Spot[] {
    this.lines.replaceChildren();
    this.names.replaceChildren();
    const { width, height: bottom } = plot.size;
    const seen = levels.filter(({ y }) => Number.isFinite(y) && shows(plot.y, y));
    const spots: Spot[] = [];
    for (const { name, y, lr } of seen) {
      const height = plot.y(y);
      this.line({ x1: 0, x2: width, y1: height, y2: height });
      if (lr !== null && shows(plot.x, lr)) {
        const x = plot.x(lr);
        this.line({ x1: x, x2: x, y1: height, y2: bottom });
      }
      const spot = this.name(name, height, spots);
      if (spot) spots.push(spot);
    }
    return spots;
  }

  private line(ends: Record<'x1' | 'x2' | 'y1' | 'y2', number>): void {
    place(this.lines.appendChild(element('line', 'lr-widget-level')), ends);
  }

  /// Writes a name where it lies on none that is there.
  private name(name: string, height: number, taken: readonly Spot[]): Spot | null {
    const y = [height + ABOVE, Math.max(height + BELOW, TOP)].find(
      (y) => y >= TOP && !taken.some((other) => Math.abs(other.y - y) < BELOW),
    );
    if (y === undefined) return null;
    const text = this.names.appendChild(element('text', 'lr-widget-text'));
    text.textContent = name;
    place(text, { x: EDGE, y });
    return { left: EDGE, right: EDGE + lengthOf(text), y };
  }
}
