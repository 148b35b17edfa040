import { ends, shows } from './axis';
import type { Pixel } from './box';
import type { Draft } from './draft';
import { type Command, commandOf, type Move } from './keys';
import type { Suggestion } from './markers';
import type { Plot } from './plot';
import { moved, snapped } from './steps';
import type { Traces } from './traces';
import type { Viewport } from './viewport';

// One press of + or -.
const ZOOM = 1.5;

/// What the keys work on.
export interface Keyed {
  readonly plot: Plot | null;
  readonly lr: number | null;
  readonly snaps: boolean;
  readonly traces: Traces;
  readonly suggestions: readonly Suggestion[];
  /// Whether a hand is at it.
  readonly isHeld: boolean;
  /// Ends what a hand is doing.
  letGo(): void;
  look(at: null, suggestion: null): void;
  pick(lr: number): void;
  reset(): void;
}

/// What the keys do: they move a draft, commit it, or put it aside; and zoom.
export class Keyboard {
  private readonly listening = new AbortController();

  constructor(
    element: HTMLElement,
    private readonly desk: Keyed,
    private readonly draft: Draft,
    private readonly viewport: Viewport,
  ) {
    const { signal } = this.listening;
    element.addEventListener('keydown', (event) => this.press(event), { signal });
    element.addEventListener('blur', () => draft.blur(), { signal });
  }

  remove(): void {
    this.listening.abort();
  }

  /// Where the keys start from: the draft, the pick, the first suggestion that the
  /// axis shows, one without a doubt if there is one, the middle.
  from(plot: Plot): number {
    const shown = this.desk.suggestions.filter(({ lr }) => shows(plot.x, lr));
    const suggested = shown.find(({ doubt }) => !doubt) ?? shown[0];
    const known = this.draft.lr ?? this.desk.lr ?? suggested?.lr;
    const [low, high] = ends(plot.x);
    return known ?? plot.x.invert((plot.x(low) + plot.x(high)) / 2);
  }

  private press(event: KeyboardEvent): void {
    const { plot } = this.desk;
    const command = commandOf(event);
    if (!command || !plot || !this.obey(command, plot)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /// Does what a key says; false where it says nothing here.
  private obey(command: Command, plot: Plot): boolean {
    const { draft, desk, viewport } = this;
    if (command === 'restore') return this.restore();
    if (command === 'reset') desk.reset();
    else if (command === 'in') viewport.zoom(plot, this.middle(plot), 1 / ZOOM);
    else if (command === 'out') viewport.zoom(plot, this.middle(plot), ZOOM);
    else if (command !== 'commit') this.move(command, plot);
    else if (draft.isOpen && draft.lr !== null) desk.pick(draft.lr);
    return true;
  }

  private restore(): boolean {
    const begun = this.draft.lr !== null || this.desk.isHeld;
    this.desk.letGo();
    this.draft.drop();
    return begun;
  }

  private move(move: Move, plot: Plot): void {
    const { desk, draft } = this;
    if (desk.isHeld) return;
    desk.look(null, null);
    const [lrs, from, snap] = [desk.traces.tested, this.from(plot), desk.snaps];
    // The first key shows where the keys start from; only then they move it.
    const first = draft.lr === null && desk.lr === null && move.by !== 'end';
    if (first) draft.move(snap ? snapped(lrs, from) : from);
    else draft.move(moved(from, move, { lrs, axis: ends(plot.x), snap }));
  }

  /// What + and - zoom about: the curve at the draft or the pick, or the middle.
  private middle(plot: Plot): Pixel {
    const { width, height } = plot.size;
    const lr = this.draft.lr ?? this.desk.lr;
    if (lr === null || !shows(plot.x, lr)) return { x: width / 2, y: height / 2 };
    const value = this.desk.traces.readAt(lr, plot)?.value;
    const seen = value !== undefined && shows(plot.y, value);
    return { x: plot.x(lr), y: seen ? plot.y(value) : height / 2 };
  }
}
