import {
  type ISerializers,
  unpack_models,
  WidgetModel,
  type WidgetView,
} from '@jupyter-widgets/base';
import { Interaction, type Scale } from 'bqplot';
import { shows, valueAt } from './axis';
import { type Pixel, toPlot } from './box';
import { nearest } from './curve';
import { Overlay, type Size } from './overlay';
import { Pointer } from './pointer';
import { lrText, readout } from './readout';
import { NAME, VERSION } from './version';

// A point further from the crosshair than this says nothing about the place under it.
const REACH = 48;

export class LRPickerModel extends WidgetModel {
  override defaults() {
    return {
      ...super.defaults(),
      _model_name: 'LRPickerModel',
      _model_module: NAME,
      _model_module_version: `^${VERSION}`,
      _view_name: 'LRPickerView',
      _view_module: NAME,
      _view_module_version: `^${VERSION}`,
      x_scale: null,
      y_scale: null,
      line: null,
      lr: null,
    };
  }

  static override serializers: ISerializers = {
    ...WidgetModel.serializers,
    x_scale: { deserialize: unpack_models },
    y_scale: { deserialize: unpack_models },
    line: { deserialize: unpack_models },
  };
}

/// A click sends one `pick` action with the learning rate under the cursor. Hovering
/// is local. What was picked is the kernel's to say: the line is drawn at `lr`.
export class LRPickerView extends Interaction {
  private readonly overlay = new Overlay();
  private pointer: Pointer | null = null;
  private cursor: Pixel | null = null;
  private removed = false;
  private scales: { x: Scale; y: Scale } | null = null;
  private line: WidgetModel | null = null;

  override render(): Promise<void> {
    super.render();
    this.el.classList.add('lr-widget-picker');
    this.parent.interaction.node().appendChild(this.overlay.node);
    this.pointer = new Pointer(this.el, {
      move: (event) => this.hover(this.locate(event)),
      leave: () => this.hover(null),
      click: (event) => this.pick(this.locate(event)),
    });
    this.listenTo(this.model, 'change:lr', this.drawPick);
    this.listenTo(this.model, 'change:line', this.followLine);
    this.listenTo(this.model, 'change:x_scale change:y_scale', this.followScales);
    this.followLine();
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
    this.pointer?.remove();
    this.overlay.remove();
    this.scales?.x.remove();
    this.scales?.y.remove();
    this.scales = null;
    super.remove();
    return this;
  }

  private followLine(): void {
    if (this.line) this.stopListening(this.line);
    this.line = this.model.get('line');
    if (this.line) this.listenTo(this.line, 'data_updated', this.drawHover);
    this.drawHover();
  }

  private async followScales(): Promise<void> {
    const models = [this.model.get('x_scale'), this.model.get('y_scale')];
    if (!models.every(Boolean)) return;
    const [x, y] = (await Promise.all(
      models.map((model) => this.create_child_view<WidgetView>(model)),
    )) as [Scale, Scale];
    this.scales?.x.remove();
    this.scales?.y.remove();
    if (this.removed) {
      // The view went away while its scales were on their way.
      x.remove();
      y.remove();
      return;
    }
    this.scales = { x, y };
    this.listenTo(x, 'domain_changed', this.draw);
    this.listenTo(y, 'domain_changed', this.draw);
    this.relayout();
  }

  private get size(): Size {
    return { width: this.parent.plotareaWidth, height: this.parent.plotareaHeight };
  }

  private locate(event: PointerEvent): Pixel {
    return toPlot(event, this.el.getBoundingClientRect(), this.size);
  }

  private pick({ x }: Pixel): void {
    const lr = this.scales && valueAt(this.scales.x.scale, x);
    if (lr !== null) this.send({ action: 'pick', lr });
  }

  private hover(cursor: Pixel | null): void {
    this.cursor = cursor;
    this.drawHover();
  }

  private draw(): void {
    this.drawPick();
    this.drawHover();
  }

  private drawPick(): void {
    const lr: number | null = this.model.get('lr');
    const scale = this.scales?.x.scale;
    if (lr === null || !scale || !shows(scale, lr)) {
      this.overlay.hidePick();
    } else {
      this.overlay.showPick(scale(lr), `lr ${lrText(lr)}`, this.size);
    }
  }

  private drawHover(): void {
    const lr =
      this.cursor && this.scales && valueAt(this.scales.x.scale, this.cursor.x);
    if (!this.cursor || lr === null) {
      this.overlay.hideHover();
      return;
    }
    const found = this.pointAt(lr, this.cursor.x);
    const text = readout(lr, found?.loss ?? null);
    this.overlay.showHover(this.cursor, found?.pixel ?? null, text, this.size);
  }

  /// The curve's point under the crosshair, and where to draw its dot: nowhere
  /// when the point lies above or below the plot.
  private pointAt(lr: number, x: number): { loss: number; pixel: Pixel | null } | null {
    if (!this.line || !this.scales) return null;
    const point = nearest(this.line.get('x'), this.line.get('y'), lr);
    if (!point) return null;
    const pixel = {
      x: this.scales.x.scale(point.lr),
      y: this.scales.y.scale(point.loss),
    };
    if (!(Math.abs(pixel.x - x) <= REACH)) return null;
    return {
      loss: point.loss,
      pixel: shows(this.scales.y.scale, point.loss) ? pixel : null,
    };
  }
}
