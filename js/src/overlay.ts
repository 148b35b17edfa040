import { shows } from './axis';
import { Band, type Stretch } from './band';
import type { Pixel } from './box';
import { Crosshair, type Sight } from './crosshair';
import { type Level, Levels } from './levels';
import { Markers, type Suggestion } from './markers';
import { Pin } from './pin';
import { ROW } from './placement';
import { isNarrow, type Plot } from './plot';
import { lrText } from './readout';
import { type Region, Regions } from './regions';
import { element } from './svg';

const TOP = 14;

/// What was read off the curve.
export interface Findings {
  readonly regions: readonly Region[];
  readonly band: Stretch | null;
  readonly levels: readonly Level[];
  readonly suggestions: readonly Suggestion[];
}

/// What the picker draws over the plot and, for grounds and level lines, under the
/// curve.
/// It lies beside the rect that takes the pointer, and takes no pointer itself.
export class Overlay {
  readonly node = element('g', 'lr-widget-overlay');
  readonly ground = element('g', 'lr-widget-overlay');
  private readonly regions = new Regions();
  private readonly band = new Band();
  private readonly levels = new Levels();
  private readonly markers = new Markers();
  private readonly pick = new Pin('lr-widget-pick');
  private readonly draft = new Pin('lr-widget-draft');
  private readonly crosshair = new Crosshair();
  // The names of the regions have the first row, the label of the pick the next.
  private labelY = TOP;

  constructor() {
    this.ground.append(this.regions.bands, this.band.ground, this.levels.lines);
    // Lines first: no word is ever crossed out.
    this.node.append(
      this.crosshair.line,
      this.pick.node,
      this.draft.node,
      this.regions.names,
      this.levels.names,
      this.band.words,
      this.markers.node,
      this.crosshair.node,
    );
  }

  /// Draws the findings. Of their words, each gives way to those before.
  showFindings({ regions, band, levels, suggestions }: Findings, plot: Plot): void {
    const { x, size } = plot;
    this.labelY = regions.length ? TOP + ROW + 2 : TOP;
    this.regions.show(regions, x, size);
    const taken = this.levels.show(levels, plot);
    taken.push(...this.markers.show(suggestions, plot, taken));
    const lrs = [...suggestions, ...levels].map(({ lr }) => lr);
    const lines = lrs.flatMap((lr) => (lr !== null && shows(x, lr) ? x(lr) : []));
    this.band.show(band, x, size, lines, taken);
  }

  suggestionAt(pixel: Pixel, reach: number): Suggestion | null {
    return this.markers.at(pixel, reach);
  }

  aim(suggestion: Suggestion | null): void {
    this.markers.aim(suggestion?.name ?? null);
  }

  showPick(lr: number, plot: Plot): void {
    this.pick.show(plot.x(lr), `lr ${lrText(lr)}`, plot.size, this.labelY);
  }

  hidePick(): void {
    this.pick.hide();
  }

  /// Beside a draft the pick is a line without words. An open one waits for Enter.
  showDraft(lr: number, open: boolean, plot: Plot): void {
    const hint = isNarrow(plot) ? ' · Enter' : ' · Enter to pick';
    const text = `lr ${lrText(lr)}${open ? hint : ''}`;
    this.draft.show(plot.x(lr), text, plot.size, this.labelY);
    this.draft.node.classList.toggle('lr-widget-open', open);
    this.pick.node.classList.add('lr-widget-past');
  }

  hideDraft(): void {
    this.draft.hide();
    this.pick.node.classList.remove('lr-widget-past');
  }

  showHover(sight: Sight, plot: Plot): void {
    this.crosshair.show(sight, plot.size, this.labelY + ROW / 2);
  }

  hideHover(): void {
    this.crosshair.hide();
  }

  remove(): void {
    this.node.remove();
    this.ground.remove();
  }
}
