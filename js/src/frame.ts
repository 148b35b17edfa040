/// Does the latest of the things it is asked for once per animation frame.
export class Frame {
  private waiting: number | null = null;
  private task: () => void = () => {};

  request(task: () => void): void {
    this.task = task;
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.task();
    });
  }

  cancel(): void {
    if (this.waiting !== null) cancelAnimationFrame(this.waiting);
    this.waiting = null;
  }
}
