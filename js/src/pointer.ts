// How many pixels a hand may tremble: a mouse little, a finger more.
const SLOP = { mouse: 4, other: 10 };

export interface PointerListener {
  /// It moves over the element, nothing pressed.
  hover(event: PointerEvent): void;
  leave(): void;
  press(event: PointerEvent): void;
  /// It moves while pressed; `moved`: further than a hand trembles, at any time.
  drag(event: PointerEvent, moved: boolean): void;
  release(event: PointerEvent, moved: boolean): void;
  /// What was begun by a press does not count.
  cancel(): void;
  wheel(event: WheelEvent): void;
  double(event: MouseEvent): void;
}

/// What the primary pointer does over an element: mouse, pen, or the first finger.
/// Once pressed it belongs to the element, and may leave it.
export class Pointer {
  private readonly listening = new AbortController();
  private down: PointerEvent | null = null;
  private moved = false;

  constructor(
    private readonly element: Element,
    private readonly listener: PointerListener,
  ) {
    this.on<PointerEvent>('pointerdown', (event) => this.press(event));
    this.on<PointerEvent>('pointermove', (event) => this.move(event));
    this.on<PointerEvent>('pointerup', (event) => this.release(event));
    // The browser took the pointer, to scroll for instance.
    this.on<PointerEvent>('pointercancel', () => this.lose());
    this.on<PointerEvent>('lostpointercapture', () => this.cancel());
    this.on('pointerleave', () => {
      if (!this.down) listener.leave();
    });
    // The picker takes the focus itself, and text around it is not to be selected.
    this.on('mousedown', (event) => event.preventDefault());
    this.on('contextmenu', (event) => {
      if (this.down?.pointerType === 'touch') event.preventDefault();
      else this.cancel();
    });
    this.on<WheelEvent>('wheel', (event) => listener.wheel(event));
    this.on<MouseEvent>('dblclick', (event) => listener.double(event));
  }

  get isDown(): boolean {
    return this.down !== null;
  }

  /// Ends a drag as if it had not been.
  cancel(): void {
    if (!this.down) return;
    const { pointerId } = this.down;
    this.down = null;
    if (this.element.hasPointerCapture?.(pointerId)) {
      this.element.releasePointerCapture(pointerId);
    }
    this.listener.cancel();
  }

  remove(): void {
    this.listening.abort();
  }

  private on<E extends Event>(type: string, handler: (event: E) => void): void {
    const { signal } = this.listening;
    const options = { signal, passive: false };
    this.element.addEventListener(type, handler as EventListener, options);
  }

  private press(event: PointerEvent): void {
    // A second finger: whatever it is, it is not a pick.
    if (!event.isPrimary) this.cancel();
    if (!event.isPrimary || event.button !== 0) return;
    this.down = event;
    this.moved = false;
    this.element.setPointerCapture?.(event.pointerId);
    this.listener.press(event);
  }

  private move(event: PointerEvent): void {
    if (!event.isPrimary) return;
    if (!this.down) this.listener.hover(event);
    else this.listener.drag(event, this.hasMoved(event, this.down));
  }

  private release(event: PointerEvent): void {
    const down = this.down;
    if (!down || event.pointerId !== down.pointerId) return;
    const moved = this.hasMoved(event, down);
    this.down = null;
    this.listener.release(event, moved);
  }

  private lose(): void {
    this.cancel();
    this.listener.leave();
  }

  private hasMoved(event: PointerEvent, down: PointerEvent): boolean {
    const by = Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY);
    this.moved ||= by > (event.pointerType === 'mouse' ? SLOP.mouse : SLOP.other);
    return this.moved;
  }
}
