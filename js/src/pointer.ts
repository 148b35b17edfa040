// How many pixels a hand may tremble: a mouse little, a finger more.
const SLOP = { mouse: 4, other: 10 };

export interface PointerListener {
  move(event: PointerEvent): void;
  leave(): void;
  click(event: PointerEvent): void;
}

/// What a pointer does over an element. A click or tap is told from a drag and a
/// scroll: the primary pointer went down and came up at almost the same place.
export class Pointer {
  private readonly listening = new AbortController();
  private down: PointerEvent | null = null;

  constructor(element: Element, listener: PointerListener) {
    const { signal } = this.listening;
    const on = (type: string, handler: (event: PointerEvent) => void) =>
      element.addEventListener(type, handler as EventListener, { signal });
    on('pointermove', (event) => listener.move(event));
    on('pointerleave', () => listener.leave());
    on('pointerdown', (event) => {
      this.down = event.isPrimary && event.button === 0 ? event : null;
    });
    on('pointerup', (event) => {
      if (this.clicks(event)) listener.click(event);
    });
    // The browser took the pointer, to scroll for instance.
    on('pointercancel', () => {
      this.down = null;
      listener.leave();
    });
  }

  remove(): void {
    this.listening.abort();
  }

  private clicks(up: PointerEvent): boolean {
    const down = this.down;
    this.down = null;
    if (down?.pointerId !== up.pointerId) return false;
    const moved = Math.hypot(up.clientX - down.clientX, up.clientY - down.clientY);
    return moved <= (up.pointerType === 'mouse' ? SLOP.mouse : SLOP.other);
  }
}
