import { shows } from './axis';
import type { Pixel } from './box';
import type { Sight } from './crosshair';
import type { Reading } from './curve';
import type { Suggestion } from './markers';
import { isNarrow, type Plot } from './plot';
import { lrText, readout, wrapped } from './readout';

/// Where a hand points, and the suggestion that it points at.
export interface Gaze {
  readonly at: Pixel;
  readonly suggestion: Suggestion | null;
}

/// What there is to read at a learning rate.
export interface Place {
  readonly lr: number;
  readonly measure: string;
  readonly reading: Reading | null;
  readonly gaze: Gaze | null;
  /// Whether the draft is there, with a line and a label of its own.
  readonly drafted: boolean;
}

// The widest line of a reason, and about how wide a letter is.
const COLUMNS = 44;
const LETTER = 7;

/// What the crosshair shows at a place; null where it has nothing to say.
export function sightOf(plot: Plot, place: Place): Sight | null {
  if (place.gaze?.suggestion)
    return reasonAt(plot, place.gaze.at, place.gaze.suggestion);
  const { lr, gaze, reading, measure, drafted } = place;
  const seen = reading !== null && shows(plot.y, reading.value);
  const dot = seen ? { x: plot.x(reading.lr), y: plot.y(reading.value) } : null;
  const x = plot.x(lr);
  const said = readout(lr, measure, reading, isNarrow(plot));
  const lines = drafted ? said.slice(1) : said;
  if (!lines.length) return null;
  const at = gaze?.at ?? { x, y: dot?.y ?? plot.size.height / 2 };
  return { at, line: drafted ? null : x, dot, lines };
}

/// Why a suggestion is where it is, or why it should not be trusted.
function reasonAt(plot: Plot, at: Pixel, suggestion: Suggestion): Sight {
  const { name, lr, reason, doubt } = suggestion;
  const columns = Math.min(COLUMNS, Math.floor(plot.size.width / LETTER) - 4);
  const lines = [`${name} ${lrText(lr)}`, ...wrapped(doubt || reason, columns)];
  return { at, line: null, dot: null, lines };
}
