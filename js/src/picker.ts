import type { WidgetModel, WidgetView } from '@jupyter-widgets/base';
import { Interaction, type Scale } from 'bqplot';
import { ends, shows, valueAt } from './axis';
import { type Pixel, toPlot } from './box';
import type { Sight } from './crosshair';
import { Draft } from './draft';
import { type Desk, Hand } from './hand';
import { Keyboard, type Keyed } from './keyboard';
import type { Suggestion } from './markers';
import { type Findings, Overlay } from './overlay';
import type { Plot } from './plot';
import { Pointer } from './pointer';
import { spoken } from './readout';
import { type Gaze, sightOf } from './sight';
import { Slider } from './slider';
import { snapped } from './steps';
import { Traces } from './traces';
import { Viewport } from './viewport';

export { LRPickerModel } from './model';

/// Reads the curve under the pointer, and sends what a person picks, takes and zooms
/// to as actions. Reading and drafting are local. What was picked is the kernel's to
/// say: the line is drawn at `lr`.
export class LRPickerView extends Interaction implements Desk, Keyed {
  traces = new Traces(null, null);
  private readonly overlay = new Overlay();
  private readonly draft = new Draft(() => this.drawPick());
  private readonly viewport = new Viewport((view) => this.act('view', view));
  private pointer: Pointer | null = null;
  private keyboard: Keyboard | null = null;
  private slider: Slider | null = null;
  private gaze: Gaze | null = null;
  private scales: { x: Scale; y: Scale } | null = null;
  private removed = false;

  override render(): Promise<void> {
    super.render();
    const { draft, viewport } = this;
    this.el.classList.add('lr-widget-picker');
    this.parent.interaction.node().appendChild(this.overlay.node);
    const marks = this.parent.fig_marks.node();
    marks.parentNode?.insertBefore(this.overlay.ground, marks);
    this.slider = new Slider(this.el);
    this.pointer = new Pointer(this.el, new Hand(this, draft, viewport));
    this.keyboard = new Keyboard(this.el, this, draft, viewport);
    this.follow();
    return this.followScales();
  }

  /// Called by bqplot whenever the size or the padding of the plot changes.
  override relayout(): void {
    super.relayout();
    if (!this.scales) return;
    const { x, y } = this.scales;
    x.setRange(this.parent.padded_range('x', x.model));
    y.setRange(this.parent.padded_range('y', y.model));
    this.draw();
  }

  override remove(): this {
    this.removed = true;
    for (const part of [this.pointer, this.keyboard, this.draft]) part?.remove();
    for (const part of [this.viewport, this.overlay]) part.remove();
    this.dropScales();
    super.remove();
    return this;
  }

  // What is there: for the hand and the keys.

  get plot(): Plot | null {
    if (!this.scales) return null;
    const [x, y] = [this.scales.x.scale, this.scales.y.scale];
    return ends(x).every(Number.isFinite) ? { x, y, size: this.size } : null;
  }

  get surface(): SVGElement {
    return this.el as unknown as SVGElement;
  }

  get lr(): number | null {
    return this.model.get('lr');
  }

  get zooms(): boolean {
    return this.model.get('zoom');
  }

  get snaps(): boolean {
    return this.model.get('snap');
  }

  get suggestions(): readonly Suggestion[] {
    return this.model.get('suggestions');
  }

  get isHeld(): boolean {
    return this.pointer?.isDown ?? false;
  }

  private get findings(): Findings {
    const { model, suggestions } = this;
    const [regions, band] = [model.get('regions'), model.get('band')];
    return { regions, band, levels: model.get('levels'), suggestions };
  }

  private get size() {
    return { width: this.parent.plotareaWidth, height: this.parent.plotareaHeight };
  }

  locate(event: MouseEvent): Pixel {
    return toPlot(event, this.el.getBoundingClientRect(), this.size);
  }

  lrAt({ x }: Pixel): number | null {
    const lr = this.plot && valueAt(this.plot.x, x);
    return lr !== null && this.snaps ? snapped(this.traces.tested, lr) : lr;
  }

  suggestionAt(pixel: Pixel, reach: number): Suggestion | null {
    return this.overlay.suggestionAt(pixel, reach);
  }

  look(at: Pixel | null, suggestion: Suggestion | null): void {
    this.gaze = at && { at, suggestion };
    this.overlay.aim(suggestion);
    this.drawHover();
  }

  letGo(): void {
    this.pointer?.cancel();
  }

  // What a person does.

  pick(lr: number): void {
    this.draft.send(lr, this.lr);
    this.act('pick', { lr });
  }

  take({ name, lr }: Suggestion): void {
    this.draft.send(lr, this.lr);
    this.act('take', { name });
  }

  reset(): void {
    this.act('reset');
  }

  private act(action: string, details: object = {}): void {
    this.send({ action, ...details });
  }

  // What the kernel sets.

  private follow(): void {
    const on = (events: string, draw: () => void) =>
      this.listenTo(this.model, events, draw);
    on('change:lr', () => {
      this.draft.answer();
      this.drawPick();
    });
    on('change:line change:raw', this.followTraces);
    on('change:x_scale change:y_scale', this.followScales);
    on('change:suggestions change:regions change:band change:levels', this.draw);
    on('change:zoom', this.draw);
    on('change:measure change:snap', this.drawPick);
    this.followTraces();
  }

  private followTraces(): void {
    for (const model of this.traces.models) this.stopListening(model);
    this.traces = new Traces(this.model.get('line'), this.model.get('raw'));
    for (const model of this.traces.models) {
      this.listenTo(model, 'data_updated', this.drawPick);
    }
    this.drawPick();
  }

  private async followScales(): Promise<void> {
    const asked = this.scaleModels;
    if (!asked.every(Boolean)) return;
    const [x, y] = (await Promise.all(
      asked.map((model) => this.create_child_view<WidgetView>(model)),
    )) as [Scale, Scale];
    if (this.removed || asked.some((model, i) => model !== this.scaleModels[i])) {
      // They come late: the view has gone, or the axes have changed once more.
      x.remove();
      y.remove();
      return;
    }
    this.dropScales();
    this.scales = { x, y };
    for (const scale of [x, y]) this.listenTo(scale, 'domain_changed', this.draw);
    this.relayout();
  }

  private get scaleModels(): WidgetModel[] {
    return [this.model.get('x_scale'), this.model.get('y_scale')];
  }

  private dropScales(): void {
    for (const scale of Object.values(this.scales ?? {})) {
      this.stopListening(scale);
      scale.remove();
    }
    this.scales = null;
  }

  // Drawing.

  private draw(): void {
    const { plot } = this;
    this.el.dataset['zoom'] = String(this.zooms);
    if (!plot) return;
    this.overlay.showFindings(this.findings, plot);
    this.overlay.aim(this.gaze?.suggestion ?? null);
    this.drawPick();
  }

  /// The pick and the draft, and the same in words.
  private drawPick(): void {
    const { plot, lr, draft } = this;
    if (!plot) return;
    if (lr === null || !shows(plot.x, lr)) this.overlay.hidePick();
    else this.overlay.showPick(lr, plot);
    if (draft.lr === null) this.overlay.hideDraft();
    else this.overlay.showDraft(draft.lr, draft.isOpen, plot);
    const now = draft.lr ?? lr;
    const reading = now === null ? null : this.traces.readAt(now, plot);
    const text = spoken(now, this.model.get('measure'), reading);
    const start = this.keyboard?.from(plot) ?? ends(plot.x)[0];
    this.slider?.show(plot.x, now ?? start, text);
    this.drawHover();
  }

  private drawHover(): void {
    const { plot } = this;
    const sight = plot && this.sight(plot);
    if (plot && sight) this.overlay.showHover(sight, plot);
    else this.overlay.hideHover();
  }

  private sight(plot: Plot): Sight | null {
    const { gaze, draft } = this;
    const drafted = draft.isHeld || (draft.isOpen && !gaze);
    const lr = drafted ? draft.lr : gaze && this.lrAt(gaze.at);
    if (lr === null) return null;
    const reading = this.traces.readAt(lr, plot);
    const measure: string = this.model.get('measure');
    return sightOf(plot, { lr, measure, reading, gaze, drafted });
  }
}
