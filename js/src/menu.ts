import { uuid } from '@jupyter-widgets/base';

// Between the menu and the edge of the window.
const MARGIN = 8;

/// A button that opens a menu, for keyboard and screen reader as for the mouse.
/// The menu lies in the browser's top layer, so that no output area cuts it off.
export class Menu {
  readonly node = document.createElement('div');
  readonly button = document.createElement('button');
  private readonly list = document.createElement('div');
  private readonly items: HTMLButtonElement[] = [];
  private readonly away = (event: Event) => this.closeOutside(event);
  private readonly follow = () => this.place();

  constructor(name: string, texts: readonly string[], choose: (text: string) => void) {
    this.button.type = 'button';
    this.button.id = uuid();
    this.button.classList.add('lr-widget-button', 'lr-widget-menu-button');
    this.button.setAttribute('aria-haspopup', 'menu');
    this.button.textContent = name;
    this.button.addEventListener('click', () => this.toggle());
    this.button.addEventListener('keydown', (event) => this.pressButton(event));
    this.list.id = uuid();
    this.list.classList.add('lr-widget-menu');
    this.list.popover = 'manual';
    this.list.setAttribute('role', 'menu');
    this.list.setAttribute('aria-labelledby', this.button.id);
    this.list.addEventListener('keydown', (event) => this.pressItem(event));
    this.button.setAttribute('aria-controls', this.list.id);
    for (const text of texts) this.add(text, choose);
    this.node.append(this.button, this.list);
    this.close();
  }

  get open(): boolean {
    return !this.list.hidden;
  }

  remove(): void {
    this.close();
  }

  private add(text: string, choose: (text: string) => void): void {
    const item = document.createElement('button');
    item.type = 'button';
    item.tabIndex = -1;
    item.textContent = text;
    item.setAttribute('role', 'menuitem');
    item.addEventListener('click', () => {
      this.leave();
      choose(text);
    });
    this.items.push(item);
    this.list.append(item);
  }

  private toggle(): void {
    if (this.open) this.close();
    else this.show(0);
  }

  private show(focused: number): void {
    this.close();
    this.list.hidden = false;
    this.list.showPopover?.();
    this.button.setAttribute('aria-expanded', 'true');
    this.place();
    document.addEventListener('pointerdown', this.away, true);
    // It hangs on the window, not on the page: it must follow its button.
    document.addEventListener('scroll', this.follow, true);
    window.addEventListener('resize', this.follow);
    this.focus(focused);
  }

  private close(): void {
    this.list.hidePopover?.();
    this.list.hidden = true;
    this.button.setAttribute('aria-expanded', 'false');
    document.removeEventListener('pointerdown', this.away, true);
    document.removeEventListener('scroll', this.follow, true);
    window.removeEventListener('resize', this.follow);
  }

  private leave(): void {
    this.close();
    this.button.focus();
  }

  private closeOutside(event: Event): void {
    if (!this.node.contains(event.target as Node)) this.close();
  }

  /// Under the button, or above it where the window ends.
  private place(): void {
    const button = this.button.getBoundingClientRect();
    const { width, height } = this.list.getBoundingClientRect();
    const below = button.bottom + height + MARGIN <= innerHeight;
    const left = Math.min(button.left, innerWidth - width - MARGIN);
    this.list.style.left = `${Math.max(MARGIN, left)}px`;
    this.list.style.top = `${below ? button.bottom : button.top - height}px`;
  }

  private focus(index: number): void {
    this.items.at(index % this.items.length)?.focus({ preventScroll: true });
  }

  private pressButton(event: KeyboardEvent): void {
    if (event.key === 'ArrowDown') this.show(0);
    else if (event.key === 'ArrowUp') this.show(-1);
    else if (event.key === 'Escape') this.close();
    else return;
    event.preventDefault();
  }

  private pressItem(event: KeyboardEvent): void {
    const index = this.items.indexOf(event.target as HTMLButtonElement);
    const moves = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: -1 };
    const to = moves[event.key as keyof typeof moves];
    // From Tab on, the way goes from the button, as if the menu had not been.
    if (event.key === 'Escape' || event.key === 'Tab') this.leave();
    else if (to === undefined) this.jump(event.key);
    else {
      this.focus(to);
      event.preventDefault();
    }
  }

  /// To the item that begins with this letter.
  private jump(key: string): void {
    const letter = key.toLowerCase();
    this.items.find((i) => i.textContent?.toLowerCase().startsWith(letter))?.focus();
  }
}
