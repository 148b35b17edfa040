import { DOMWidgetModel, DOMWidgetView, uuid } from '@jupyter-widgets/base';
import { FORMATS, type Format, save } from './download';
import { Menu } from './menu';
import { keepKeys } from './shortcuts';
import { Smoothing } from './smoothing';
import { NAME, VERSION } from './version';

export class OptionsModel extends DOMWidgetModel {
  override defaults() {
    return {
      ...super.defaults(),
      _model_name: 'OptionsModel',
      _model_module: NAME,
      _model_module_version: `^${VERSION}`,
      _view_name: 'OptionsView',
      _view_module: NAME,
      _view_module_version: `^${VERSION}`,
      beta: null,
      measures: ['loss'],
      measure: 'loss',
      y_log: false,
      regions: true,
      levels: false,
      snap: false,
      zoom: false,
      zoomed: false,
    };
  }
}

const SWITCHES = {
  y_log: ['log y', 'A logarithmic y axis'],
  regions: ['regions', 'Name what the curve shows: too small, just right, diverging'],
  levels: ['fall levels', 'Show where the loss has made 0, 50 and 95 % of its fall'],
  snap: ['snap', 'Pick only learning rates that were tested'],
  zoom: ['zoom', 'Zoom and pan the chart'],
} as const;

type Switch = keyof typeof SWITCHES;

/// The row of options. What a person sets is sent at once and shown at once; when the
/// kernel has answered, its traits are shown, whatever it made of it.
export class OptionsView extends DOMWidgetView {
  private readonly asker = uuid();
  private readonly smoothing = new Smoothing((beta) => {
    this.wanted = beta;
    this.set('beta', beta);
  });
  private readonly axis = document.createElement('label');
  private readonly select = document.createElement('select');
  private readonly switches = new Map<Switch, HTMLInputElement>();
  private readonly whole = document.createElement('button');
  private readonly menu = new Menu('Download', FORMATS.map(upper), (text) =>
    this.download(text.toLowerCase() as Format),
  );
  private readonly error = document.createElement('span');
  private asked = 0;
  // The smoothing that was asked for, null being one, until the kernel has answered.
  private wanted: number | null | undefined;
  private awaited: Format | null = null;

  override render(): void {
    super.render();
    this.build();
    this.listenTo(this.model, 'change:beta', this.showBeta);
    this.listenTo(this.model, 'change:measures change:measure', this.showMeasures);
    this.listenTo(this.model, 'change:zoomed', this.showZoomed);
    for (const name of this.switches.keys()) {
      this.listenTo(this.model, `change:${name}`, () => this.showSwitch(name));
    }
    this.listenTo(this.model, 'msg:custom', this.receive);
    this.show();
  }

  override remove(): this {
    this.smoothing.remove();
    this.menu.remove();
    return super.remove();
  }

  private show(): void {
    this.showBeta();
    this.showMeasures();
    this.showZoomed();
    for (const name of this.switches.keys()) this.showSwitch(name);
  }

  // Answers to the first moves of a drag arrive when the hand is further on. The last
  // one is known by its number: a kernel that awaits something never says it is idle.
  private showBeta(): void {
    const beta: number | null = this.model.get('beta');
    if (this.wanted !== undefined && this.wanted !== beta) return;
    this.wanted = undefined;
    this.smoothing.show(beta);
  }

  private showMeasures(): void {
    const measures: string[] = this.model.get('measures');
    const shown = Array.from(this.select.options, (option) => option.value);
    // An open list of choices would close if it were made anew.
    if (shown.join('\n') !== measures.join('\n')) {
      this.select.replaceChildren(...measures.map((name) => new Option(name)));
    }
    this.select.value = this.model.get('measure');
    this.axis.hidden = measures.length < 2;
  }

  private showSwitch(name: Switch): void {
    const input = this.switches.get(name);
    if (input) input.checked = this.model.get(name);
  }

  // Not the attribute `disabled`, which would throw the focus off the button that
  // was just pressed.
  private showZoomed(): void {
    this.whole.setAttribute('aria-disabled', String(!this.model.get('zoomed')));
  }

  private showError(text: string): void {
    this.error.textContent = text;
    this.error.hidden = !text;
  }

  private set(name: string, value: unknown): void {
    this.ask({ action: 'set', name, value });
  }

  private reset(): void {
    if (this.model.get('zoomed')) this.ask({ action: 'reset' });
  }

  private download(format: Format): void {
    this.showError('');
    this.awaited = format;
    this.ask({ action: 'download', format, view: this.asker }, () => {
      if (this.awaited !== format) return;
      this.showError(`No ${upper(format)} file came: is there a curve yet?`);
    });
  }

  private async receive(content: Record<string, string>): Promise<void> {
    if (content['view'] !== this.asker || this.awaited !== content['download']) return;
    const format = this.awaited as Format;
    this.awaited = null;
    this.showError('');
    try {
      await save(format, content['filename'] ?? '', content['text'] ?? '');
    } catch (error) {
      this.showError(error instanceof Error ? error.message : String(error));
    }
  }

  /// Sends, and calls `done` when the kernel has handled it.
  private ask(content: object, done = () => {}): void {
    const turn = ++this.asked;
    const callbacks = this.callbacks();
    const status = (message: { content: object }) => {
      const { execution_state: state } = message.content as Record<string, string>;
      if (state !== 'idle') return;
      done();
      if (turn !== this.asked) return;
      this.wanted = undefined;
      this.show();
    };
    callbacks.iopub = { ...callbacks.iopub, status };
    this.model.send(content as Record<string, string>, callbacks);
  }

  private build(): void {
    this.el.classList.add('jupyter-widgets', 'lr-widget-options');
    this.el.setAttribute('role', 'group');
    this.el.setAttribute('aria-label', 'chart options');
    keepKeys(this.el);
    this.select.addEventListener('change', () =>
      this.set('measure', this.select.value),
    );
    this.axis.classList.add('lr-widget-option');
    this.axis.append('y axis', this.select);
    this.whole.type = 'button';
    this.whole.classList.add('lr-widget-button');
    this.whole.textContent = 'Whole curve';
    this.whole.addEventListener('click', () => this.reset());
    this.error.classList.add('lr-widget-error');
    this.error.setAttribute('role', 'alert');
    this.showError('');
    const boxes = (Object.keys(SWITCHES) as Switch[]).map((name) => this.box(name));
    this.el.append(this.smoothing.node, this.axis, ...boxes);
    const buttons = document.createElement('div');
    buttons.classList.add('lr-widget-option');
    buttons.append(this.whole, this.menu.node);
    this.el.append(buttons, this.error);
  }

  private box(name: Switch): HTMLLabelElement {
    const [text, title] = SWITCHES[name];
    const label = document.createElement('label');
    label.classList.add('lr-widget-option');
    label.title = title;
    const input = document.createElement('input');
    input.type = 'checkbox';
    input.addEventListener('change', () => this.set(name, input.checked));
    this.switches.set(name, input);
    label.append(input, text);
    return label;
  }
}

function upper(format: string): string {
  return format.toUpperCase();
}
