import { uuid } from '@jupyter-widgets/base';

// The slider is even in the logarithm of how many steps the average reaches back,
// from 1 to 100, so that 0.9 and 0.98 lie apart as far as they look.
const POSITIONS = 100;
const DECADES = 2;
// What the slider has until it is moved or told.
const USUAL = 0.98;

export function betaAt(position: number): number {
  const beta = 1 - 10 ** ((-position * DECADES) / POSITIONS);
  return Number(beta.toFixed(4));
}

export function positionOf(beta: number): number {
  const position = (-Math.log10(1 - beta) * POSITIONS) / DECADES;
  return Math.min(POSITIONS, Math.max(0, Math.round(position)));
}

export function betaText(beta: number): string {
  return String(Number(beta.toFixed(3)));
}

/// A choice of the smoothing: the centred kernel, which is null, or a moving average,
/// with a slider for its beta. It tells of at most one value in a frame of the screen,
/// and of the last one in any case.
export class Smoothing {
  readonly node = document.createElement('div');
  private readonly select = document.createElement('select');
  private readonly average = document.createElement('span');
  private readonly input = document.createElement('input');
  private readonly number = document.createElement('span');
  // The slider's number, also while the kernel is chosen.
  private beta = USUAL;
  private frame = 0;
  private dragging = false;

  constructor(private readonly tell: (beta: number | null) => void) {
    const label = document.createElement('label');
    label.textContent = 'smoothing';
    this.select.id = label.htmlFor = uuid();
    this.select.title =
      'How the bold line is smoothed. Suggestions are read from the centred kernel; ' +
      'a moving average lags, and is for comparison with other tools';
    this.select.append(new Option('centred kernel'), new Option('moving average'));
    this.select.addEventListener('change', () => this.choose());
    this.build();
    this.node.classList.add('lr-widget-option');
    this.node.append(label, this.select, this.average);
    this.draw(null);
  }

  /// Shows what the kernel says, but not under the hand of a person.
  show(beta: number | null): void {
    if (!this.dragging) this.draw(beta);
  }

  remove(): void {
    cancelAnimationFrame(this.frame);
  }

  private choose(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.dragging = false;
    const beta = this.select.selectedIndex ? this.beta : null;
    this.draw(beta);
    this.tell(beta);
  }

  private drag(): void {
    this.dragging = true;
    this.write(betaAt(Number(this.input.value)));
    this.frame ||= requestAnimationFrame(() => this.send());
  }

  private release(): void {
    this.dragging = false;
    if (!this.frame) return;
    cancelAnimationFrame(this.frame);
    this.send();
  }

  private send(): void {
    this.frame = 0;
    this.tell(this.beta);
  }

  private draw(beta: number | null): void {
    this.select.selectedIndex = beta === null ? 0 : 1;
    this.average.hidden = beta === null;
    if (beta !== null) this.write(beta);
    this.input.value = String(positionOf(this.beta));
  }

  private write(beta: number): void {
    this.beta = beta;
    const text = betaText(beta);
    this.number.textContent = text;
    this.input.setAttribute('aria-valuetext', text);
  }

  private build(): void {
    this.average.title =
      'How much each point of the bold line remembers of those before';
    this.input.type = 'range';
    this.input.min = '0';
    this.input.max = String(POSITIONS);
    this.input.setAttribute('aria-label', 'smoothing of the moving average');
    this.input.addEventListener('input', () => this.drag());
    this.input.addEventListener('change', () => this.release());
    // The slider's value text says it already.
    this.number.setAttribute('aria-hidden', 'true');
    this.number.classList.add('lr-widget-number');
    this.average.classList.add('lr-widget-option');
    this.average.append(this.input, this.number);
    this.write(USUAL);
  }
}
