import { type Axis, ends } from './axis';

/// What the picker's rect tells assistive technology: that it is a slider.
export class Slider {
  constructor(private readonly element: Element) {
    this.set({
      tabindex: 0,
      role: 'slider',
      'aria-label': 'learning rate',
      'aria-orientation': 'horizontal',
      'data-lm-suppress-shortcuts': 'true',
    });
  }

  /// The value now is where the keys start from while nothing is picked: a slider
  /// must have one, and its text says that there is none.
  show(axis: Axis, now: number, text: string): void {
    const [low, high] = ends(axis);
    this.set({
      'aria-valuemin': decimal(Math.min(low, now)),
      'aria-valuemax': decimal(Math.max(high, now)),
      'aria-valuenow': decimal(now),
      'aria-valuetext': text,
    });
  }

  private set(attributes: Record<string, string | number>): void {
    for (const [name, value] of Object.entries(attributes)) {
      this.element.setAttribute(name, String(value));
    }
  }
}

/// A positive number in full, with all of its digits: ARIA knows no exponents.
export function decimal(value: number): string {
  const [mantissa = '', exponent] = String(value).split('e-');
  if (exponent === undefined) return mantissa;
  return `0.${'0'.repeat(Number(exponent) - 1)}${mantissa.replace('.', '')}`;
}
