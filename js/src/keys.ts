/// How far a key moves the draft.
export interface Move {
  readonly by: 'step' | 'tenth' | 'decade' | 'end';
  readonly direction: 1 | -1;
}

export type Command = Move | 'commit' | 'restore' | 'in' | 'out' | 'reset';

const ARROWS = new Map<string, 1 | -1>([
  ['ArrowRight', 1],
  ['ArrowUp', 1],
  ['ArrowLeft', -1],
  ['ArrowDown', -1],
]);

const COMMANDS = new Map<string, Command>([
  ['PageUp', { by: 'decade', direction: 1 }],
  ['PageDown', { by: 'decade', direction: -1 }],
  ['Home', { by: 'end', direction: -1 }],
  ['End', { by: 'end', direction: 1 }],
  ['Enter', 'commit'],
  ['Escape', 'restore'],
  ['+', 'in'],
  // The key of + without Shift, on many keyboards.
  ['=', 'in'],
  ['-', 'out'],
  ['0', 'reset'],
]);

/// What a key means to the picker; null for the keys that are the page's.
export function commandOf(event: KeyboardEvent): Command | null {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
  const direction = ARROWS.get(event.key);
  if (direction) return { by: event.shiftKey ? 'tenth' : 'step', direction };
  return COMMANDS.get(event.key) ?? null;
}
