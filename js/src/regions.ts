import { type Axis, ends } from './axis';
import type { Size } from './placement';
import { element, lengthOf, place, show } from './svg';

const NAME_Y = 14;
const MARGIN = 6;

/// A stretch of learning rates with a name.
export interface Region {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/// Faint bands, for behind the curve, each with its name at the top where that fits.
export class Regions {
  readonly bands = element('g', 'lr-widget-regions');
  readonly names = element('g', 'lr-widget-regions');

  show(regions: readonly Region[], x: Axis, plot: Size): void {
    this.bands.replaceChildren();
    this.names.replaceChildren();
    const [low, high] = ends(x);
    for (const { name, start, end } of regions) {
      const [from, to] = [Math.max(start, low), Math.min(end, high)];
      if (from < to) this.band(name, x(from), x(to), plot);
    }
  }

  private band(name: string, left: number, right: number, plot: Size): void {
    const band = this.bands.appendChild(element('rect', 'lr-widget-region'));
    // Its colour goes by its name.
    band.dataset['region'] = name;
    place(band, { x: left, y: 0, width: right - left, height: plot.height });
    const text = this.names.appendChild(element('text', 'lr-widget-text'));
    text.textContent = name;
    place(text, { x: (left + right) / 2, y: NAME_Y, 'text-anchor': 'middle' });
    show(text, lengthOf(text) + MARGIN <= right - left);
  }
}
