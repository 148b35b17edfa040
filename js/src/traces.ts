import type { WidgetModel } from '@jupyter-widgets/base';
import { type Reading, read, type Trace } from './curve';
import type { Plot } from './plot';

// A point further from the place than this, in pixels, says nothing about it.
const REACH = 48;

/// The front curve's two lines, as bqplot's models have them: smoothed and raw.
export class Traces {
  constructor(
    private readonly line: WidgetModel | null,
    private readonly raw: WidgetModel | null,
  ) {}

  get models(): WidgetModel[] {
    return [this.line, this.raw].filter((model) => model !== null);
  }

  /// The learning rates of the sweep's steps.
  get tested(): ArrayLike<number> {
    const raw = this.raw ? traceOf(this.raw).lrs : [];
    return raw.length || !this.line ? raw : traceOf(this.line).lrs;
  }

  /// What the curve says at `lr`, if it has a point near there.
  readAt(lr: number, { x }: Plot): Reading | null {
    const raw = this.raw && traceOf(this.raw);
    const reading = this.line && read(traceOf(this.line), raw, lr);
    if (!reading) return null;
    return Math.abs(x(reading.lr) - x(lr)) <= REACH ? reading : null;
  }
}

function traceOf(line: WidgetModel): Trace {
  return { lrs: line.get('x') ?? [], values: line.get('y') ?? [] };
}
