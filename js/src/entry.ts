import { uuid } from '@jupyter-widgets/base';
import { Rename } from './rename';
import type { Entry } from './roll';

export interface CurveItem {
  readonly name: string;
  readonly color: string;
  readonly hidden: boolean;
  readonly front: boolean;
  readonly text: string;
}

export interface SuggestionItem {
  readonly name: string;
  readonly color: string;
  readonly text: string;
  readonly reason: string;
  /// Why it should not be trusted; empty where it can be.
  readonly doubt: string;
  readonly picked: boolean;
}

export type Act = (action: string, name: string, to?: string) => void;

/// A curve: its name brings it to the front; it can be hidden, renamed and removed.
export class CurveEntry implements Entry<CurveItem> {
  readonly node = element('li', 'lr-widget-entry');
  private readonly swatch = element('span', 'lr-widget-swatch');
  private readonly name = element('button', 'lr-widget-name');
  private readonly text = element('span', 'lr-widget-quiet');
  private readonly eye = icon('eye');
  private readonly pencil = icon('pencil');
  private readonly cross = icon('times');
  private readonly rename: Rename;
  private item: CurveItem | null = null;

  constructor(act: Act, taken: (name: string) => boolean) {
    const send = (action: string, to?: string) => {
      if (this.item) act(action, this.item.name, to);
    };
    this.rename = new Rename(this.name, taken, (to) => send('rename', to));
    this.name.type = 'button';
    this.name.addEventListener('click', () => send('front'));
    this.name.addEventListener('dblclick', () => this.rename.start());
    this.eye.addEventListener('click', () => send(this.item?.hidden ? 'show' : 'hide'));
    this.pencil.addEventListener('click', () => this.rename.start());
    this.cross.addEventListener('click', () => send('remove'));
    this.node.append(this.swatch, this.name, this.text);
    this.node.append(this.eye, this.pencil, this.cross);
  }

  show(item: CurveItem): void {
    this.item = item;
    const { name, hidden, front } = item;
    this.node.classList.toggle('lr-widget-hidden', hidden);
    this.swatch.style.backgroundColor = item.color;
    this.name.textContent = name;
    this.name.title = `${name}: bring to the front; double-click to rename`;
    this.name.setAttribute('aria-pressed', String(front));
    this.text.textContent = item.text;
    this.eye.setAttribute('aria-pressed', String(hidden));
    draw(this.eye, hidden ? 'eye-slash' : 'eye');
    label(this.eye, `hide ${name}`, hidden ? 'Show' : 'Hide');
    label(this.pencil, `rename ${name}`, 'Rename');
    label(this.cross, `remove ${name}`, 'Remove');
  }

  focus(): void {
    this.name.focus();
  }
}

/// A suggestion: a press takes it.
export class SuggestionEntry implements Entry<SuggestionItem> {
  readonly node = element('li', 'lr-widget-entry');
  private readonly swatch = element('span', 'lr-widget-spot');
  private readonly take = element('button', 'lr-widget-take');
  private readonly name = element('span', 'lr-widget-rule');
  private readonly text = element('span', 'lr-widget-number');
  private readonly reason = element('span', 'lr-widget-quiet');
  private item: SuggestionItem | null = null;

  constructor(act: Act) {
    this.take.type = 'button';
    this.take.addEventListener('click', () => {
      if (this.item) act('take', this.item.name);
    });
    this.reason.id = uuid();
    this.take.setAttribute('aria-describedby', this.reason.id);
    this.take.append(this.name, ' ', this.text);
    this.node.append(this.swatch, this.take, this.reason);
  }

  show(item: SuggestionItem): void {
    this.item = item;
    this.node.classList.toggle('lr-widget-doubtful', Boolean(item.doubt));
    this.swatch.style.backgroundColor = item.doubt ? '' : item.color;
    this.name.textContent = item.name;
    this.text.textContent = item.text;
    this.take.title = item.doubt || 'Take this learning rate';
    this.reason.textContent = item.doubt || item.reason;
    this.take.setAttribute('aria-pressed', String(item.picked));
  }

  focus(): void {
    this.take.focus();
  }
}

function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  node.classList.add(className);
  return node;
}

/// A button that is an icon of FontAwesome, which Jupyter brings.
function icon(name: string): HTMLButtonElement {
  const button = element('button', 'lr-widget-icon');
  button.type = 'button';
  const image = document.createElement('i');
  image.setAttribute('aria-hidden', 'true');
  button.append(image);
  draw(button, name);
  return button;
}

function draw(button: HTMLButtonElement, name: string): void {
  const image = button.firstElementChild;
  if (image) image.className = `fa fa-${name}`;
}

function label(button: HTMLButtonElement, text: string, title: string): void {
  button.setAttribute('aria-label', text);
  button.title = title;
}
