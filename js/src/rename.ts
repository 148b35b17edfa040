// What the kernel takes at most.
const LONGEST = 80;

/// A field in the place of a button, to rename what the button names. Enter, or
/// leaving the field, gives the new name; Escape keeps the old one.
export class Rename {
  private input: HTMLInputElement | null = null;

  constructor(
    private readonly button: HTMLButtonElement,
    private readonly taken: (name: string) => boolean,
    private readonly give: (name: string) => void,
  ) {}

  start(): void {
    if (this.input) return;
    const input = document.createElement('input');
    input.type = 'text';
    input.classList.add('lr-widget-rename');
    input.maxLength = LONGEST;
    input.autocomplete = 'off';
    input.spellcheck = false;
    input.value = this.button.textContent ?? '';
    input.setAttribute('aria-label', `new name of ${input.value}`);
    input.addEventListener('keydown', (event) => this.press(event));
    input.addEventListener('input', () => input.setCustomValidity(''));
    input.addEventListener('blur', () => this.leave());
    this.button.before(input);
    this.button.hidden = true;
    this.input = input;
    input.select();
    input.focus();
  }

  private press(event: KeyboardEvent): void {
    if (event.isComposing) return;
    if (event.key === 'Enter') this.enter();
    if (event.key === 'Escape') {
      this.end();
      this.button.focus();
    }
  }

  private enter(): void {
    if (!this.input) return;
    const name = this.changed();
    if (name && this.taken(name)) {
      this.input.setCustomValidity(`Another curve is called ${name}.`);
      this.input.reportValidity();
      return;
    }
    this.end();
    this.button.focus();
    if (name) this.give(name);
  }

  private leave(): void {
    const name = this.changed();
    this.end();
    if (name && !this.taken(name)) this.give(name);
  }

  /// The name in the field; null while it is none, or still the old one.
  private changed(): string | null {
    const name = this.input?.value.trim().replace(/\s+/g, ' ');
    return name && name !== this.button.textContent ? name : null;
  }

  private end(): void {
    const input = this.input;
    // First, because a field that is removed loses the focus, and so ends again.
    this.input = null;
    this.button.hidden = false;
    input?.remove();
  }
}
