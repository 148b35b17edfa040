import type { Pixel } from './box';
import type { Draft } from './draft';
import type { Suggestion } from './markers';
import type { Plot } from './plot';
import type { PointerListener } from './pointer';
import { type Viewport, wheelFactor } from './viewport';

// How near a suggestion's dot, and the line of the pick, are theirs to touch.
const DOT = { mouse: 10, other: 20 };
const LINE = 6;

/// What lies under a hand: of the picker, and for the picker to answer.
export interface Desk {
  readonly plot: Plot | null;
  readonly lr: number | null;
  readonly zooms: boolean;
  readonly surface: SVGElement;
  locate(event: MouseEvent): Pixel;
  /// The learning rate that a press at a pixel means.
  lrAt(pixel: Pixel): number | null;
  suggestionAt(pixel: Pixel, reach: number): Suggestion | null;
  look(at: Pixel | null, suggestion: Suggestion | null): void;
  pick(lr: number): void;
  take(suggestion: Suggestion): void;
  reset(): void;
}

/// What a hand does on the chart: it looks, picks, takes, and moves the plane.
export class Hand implements PointerListener {
  private holds: 'nothing' | 'draft' | 'plane' = 'nothing';
  private pressed: Suggestion | null = null;
  private start: Pixel = { x: 0, y: 0 };

  constructor(
    private readonly desk: Desk,
    private readonly draft: Draft,
    private readonly viewport: Viewport,
  ) {}

  hover(event: PointerEvent): void {
    const at = this.desk.locate(event);
    const suggestion = this.under(event, at);
    const over = suggestion ? 'suggestion' : this.isOnLine(at) ? 'line' : '';
    this.desk.surface.dataset['over'] = over;
    this.desk.look(at, suggestion);
  }

  leave(): void {
    this.desk.surface.dataset['over'] = '';
    this.desk.look(null, null);
  }

  press(event: PointerEvent): void {
    const { desk } = this;
    if (!desk.plot) return;
    // A finger may be about to scroll the page: it gets the focus when it has not.
    if (event.pointerType !== 'touch') desk.surface.focus({ preventScroll: true });
    this.start = desk.locate(event);
    this.pressed = this.under(event, this.start);
    if (desk.zooms && !this.pressed && !this.isOnLine(this.start)) {
      this.hold('plane');
      this.viewport.grab(desk.plot);
      desk.look(null, null);
    } else {
      this.hold('draft');
      this.follow(this.start);
    }
  }

  drag(event: PointerEvent, moved: boolean): void {
    const { desk, start } = this;
    const at = desk.locate(event);
    if (moved) this.pressed = null;
    if (this.holds === 'draft') this.follow(at);
    if (this.holds !== 'plane' || !moved || !desk.plot) return;
    this.viewport.pan(desk.plot, { x: at.x - start.x, y: at.y - start.y });
  }

  release(event: PointerEvent, moved: boolean): void {
    const { desk, holds, pressed } = this;
    this.drop();
    if (event.pointerType === 'touch') desk.surface.focus({ preventScroll: true });
    if (holds === 'draft') {
      const lr = desk.lrAt(desk.locate(event));
      if (pressed && !moved) desk.take(pressed);
      else if (lr !== null) desk.pick(lr);
      else this.draft.drop();
    }
    if (event.pointerType === 'mouse') this.hover(event);
    else this.leave();
  }

  cancel(): void {
    if (this.holds === 'draft') this.draft.drop();
    if (this.holds === 'plane') this.viewport.restore();
    this.drop();
    this.leave();
  }

  wheel(event: WheelEvent): void {
    const { plot, zooms } = this.desk;
    if (!zooms || !plot) return;
    event.preventDefault();
    const at = this.desk.locate(event);
    this.viewport.zoom(plot, at, wheelFactor(event), !event.shiftKey);
  }

  double(_event: MouseEvent): void {
    if (this.desk.zooms) this.desk.reset();
  }

  private hold(what: 'draft' | 'plane'): void {
    this.holds = what;
    this.desk.surface.dataset['hold'] = what;
  }

  private drop(): void {
    this.holds = 'nothing';
    this.pressed = null;
    this.desk.surface.dataset['hold'] = '';
    this.viewport.release();
  }

  private follow(at: Pixel): void {
    const lr = this.pressed?.lr ?? this.desk.lrAt(at);
    if (lr !== null) this.draft.hold(lr);
    this.desk.look(at, this.pressed);
  }

  private under(event: PointerEvent, at: Pixel): Suggestion | null {
    const reach = event.pointerType === 'mouse' ? DOT.mouse : DOT.other;
    return this.desk.suggestionAt(at, reach);
  }

  private isOnLine({ x }: Pixel): boolean {
    const { plot, lr } = this.desk;
    return plot !== null && lr !== null && Math.abs(plot.x(lr) - x) <= LINE;
  }
}
