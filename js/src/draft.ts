// After this many milliseconds without an answer the pick is as the kernel last said.
const PATIENCE = 3000;

/// A learning rate that a person is about to pick; the kernel knows nothing of it.
///
/// It follows a hand, or waits to be committed by a key; once sent it stays until the
/// kernel answers, so that the line does not jump back on the way.
export class Draft {
  private value: number | null = null;
  private state: 'none' | 'held' | 'open' | 'sent' = 'none';
  private waiting: ReturnType<typeof setTimeout> | undefined;
  // The kernel owes an answer to what was sent.
  private owed = false;

  constructor(private readonly changed: () => void) {}

  get lr(): number | null {
    return this.value;
  }

  /// Whether a hand holds it.
  get isHeld(): boolean {
    return this.state === 'held';
  }

  /// Whether Enter would pick it.
  get isOpen(): boolean {
    return this.state === 'open';
  }

  /// A hand holds it there.
  hold(lr: number): void {
    this.become('held', lr);
  }

  /// A key moved it there.
  move(lr: number): void {
    this.become('open', lr);
  }

  /// It was sent to the kernel, whose pick is `lr` so far.
  send(draft: number, lr: number | null): void {
    if (draft === lr) this.drop();
    else this.become('sent', draft);
  }

  /// The kernel has set the pick. A hand that holds the draft keeps it, and so do keys
  /// that were pressed since it was sent.
  answer(): void {
    const owed = this.owed;
    this.owed = false;
    if (this.state === 'held' || (this.state === 'open' && owed)) return;
    this.drop();
  }

  /// The picker has lost the focus.
  blur(): void {
    if (this.state === 'open') this.drop();
  }

  drop(): void {
    if (this.state !== 'none') this.become('none', null);
  }

  remove(): void {
    clearTimeout(this.waiting);
  }

  private become(state: Draft['state'], value: number | null): void {
    clearTimeout(this.waiting);
    this.state = state;
    this.value = value;
    if (state === 'none') this.owed = false;
    if (state === 'sent') {
      this.owed = true;
      this.waiting = setTimeout(() => this.drop(), PATIENCE);
    }
    this.changed();
  }
}
