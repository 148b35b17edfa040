import type { Axis } from './axis';
import { ends, type Range } from './axis';

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
    const [low, high]: Range = ends(axis);
    this.set({
      'aria-valuemin': Math.min(low, now),
      'aria-valuemax': Math.max(high, now),
      'aria-valuenow': now,
      'aria-valuetext': text,
    });
  }

  private set(attributes: Record<string, string | number>): void {
    for (const [name, value] of Object.entries(attributes)) {
      this.element.setAttribute(name, String(value));
    }
  }
}
