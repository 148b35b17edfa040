import { uuid } from '@jupyter-widgets/base';

// The slider is even in the logarithm of how many steps the average reaches back,
// from 1 to 100, so that 0.9 and 0.98 lie apart as far as they look.
const POSITIONS = 100;
const DECADES = 2;

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

/// A slider for the smoothing and its number. It tells of at most one value in a
/// frame of the screen, and of the last one in any case.
export class Smoothing {
  readonly node = document.createElement('div');
  private readonly input = document.createElement('input');
  private readonly number = document.createElement('span');
  private frame = 0;
  private dragging = false;

  constructor(private readonly tell: (beta: number) => void) {
    const label = document.createElement('label');
    label.textContent = 'smoothing';
    this.node.title = 'How much each point of the bold line remembers of those before';
    this.input.type = 'range';
    this.input.min = '0';
    this.input.max = String(POSITIONS);
    this.input.id = label.htmlFor = uuid();
    this.input.addEventListener('input', () => this.drag());
    this.input.addEventListener('change', () => this.release());
    // The slider's value text says it already.
    this.number.setAttribute('aria-hidden', 'true');
    this.number.classList.add('lr-widget-number');
    this.node.classList.add('lr-widget-option');
    this.node.append(label, this.input, this.number);
  }

  /// Shows the kernel's number, but not under the hand of a person.
  show(beta: number): void {
    if (this.dragging) return;
    this.input.value = String(positionOf(beta));
    this.write(beta);
  }

  remove(): void {
    cancelAnimationFrame(this.frame);
  }

  private get beta(): number {
    return betaAt(Number(this.input.value));
  }

  private drag(): void {
    this.dragging = true;
    this.write(this.beta);
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

  private write(beta: number): void {
    const text = betaText(beta);
    this.number.textContent = text;
    this.input.setAttribute('aria-valuetext', text);
  }
}
