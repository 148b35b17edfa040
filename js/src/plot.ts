import type { Size } from './placement';
import type { Axes } from './viewport';

// A plot less wide than this gets shorter texts.
const NARROW = 420;

/// Where things are: the axes and the size of the plot.
export interface Plot extends Axes {
  readonly size: Size;
}

export function isNarrow(plot: Plot): boolean {
  return plot.size.width < NARROW;
}
