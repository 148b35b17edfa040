import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { at, type Chart, chart, high } from './fake/chart';

const DRAFT = '.lr-widget-draft';
const DRAFT_LINE = '.lr-widget-draft .lr-widget-line';
const HOVER = '.lr-widget-hover';

const valley = {
  name: 'valley',
  lr: 1.66e-3,
  y: 1.62,
  color: '#E69F00',
  reason: 'The middle of the longest descent of the curve, which is a steady choice.',
  origin: null,
};

let picker: Chart;

const pick = (lr: number) => ({ action: 'pick', lr: expect.closeTo(lr, 12) });

beforeEach(async () => {
  document.body.replaceChildren();
  vi.useFakeTimers();
  picker = await chart();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('picking', () => {
  test('a click sends one pick with the learning rate under the cursor', () => {
    picker.pointer('pointermove', at(1e-3));
    picker.click(at(1e-3));
    expect(picker.sent).toEqual([pick(1e-3)]);
    expect(picker.model.get('lr')).toBeNull();
  });

  test('a click in the padding picks the end of the axis', () => {
    picker.click(0);
    expect(picker.sent).toEqual([{ action: 'pick', lr: 1e-7 }]);
  });

  test('a press drafts, a drag scrubs, and the release sends one pick', () => {
    picker.pointer('pointerdown', at(1e-3));
    expect(picker.place(DRAFT_LINE)).toBeCloseTo(at(1e-3));
    expect(picker.aria('valuetext')).toBe('learning rate 1e-3');
    picker.pointer('pointermove', at(1e-2));
    expect(picker.place(DRAFT_LINE)).toBeCloseTo(at(1e-2));
    expect(picker.part(`${DRAFT} text`).textContent).toBe('lr 1e-2');
    expect(picker.sent).toEqual([]);
    picker.pointer('pointerup', at(1e-1));
    expect(picker.sent).toEqual([pick(1e-1)]);
  });

  test('while it drags it says what the curve is there', () => {
    picker.line.set({ x: [1e-2], y: [1.5] });
    picker.pointer('pointerdown', at(1e-3));
    expect(picker.hidden(HOVER)).toBe(true);
    picker.pointer('pointermove', at(1e-2));
    expect(picker.lines(HOVER)).toEqual(['loss 1.5']);
  });

  test('a drag may leave the plot: the pointer is captured', () => {
    const captured = vi.fn();
    picker.view.el.setPointerCapture = captured;
    picker.pointer('pointerdown', at(1e-3));
    expect(captured).toHaveBeenCalledWith(1);
    picker.pointer('pointermove', 2000);
    picker.pointer('pointerup', 2000, 900);
    expect(picker.sent).toEqual([{ action: 'pick', lr: 10 }]);
  });

  test('with snap a pick is exactly a tested learning rate', () => {
    const tested = [1.0000000000000002e-4, 1.2345678901234567e-3];
    picker.model.set('snap', true);
    picker.raw.set({ x: tested, y: [1, Number.NaN] });
    picker.click(at(1e-3));
    expect(picker.sent).toEqual([{ action: 'pick', lr: tested[1] }]);
  });

  test('with snap and no raw values the steps are those of the line', () => {
    picker.model.set({ snap: true, raw: null });
    picker.line.set({ x: [2e-4], y: [1] });
    picker.click(at(1e-3));
    expect(picker.sent).toEqual([{ action: 'pick', lr: 2e-4 }]);
  });

  test('a click takes the focus without scrolling the page', () => {
    const focus = vi.spyOn(picker.view.el, 'focus');
    picker.pointer('pointerdown', 100);
    expect(focus).toHaveBeenCalledWith({ preventScroll: true });
  });

  test('the line of the pick shows that it can be dragged', () => {
    picker.model.set('lr', 1e-3);
    picker.pointer('pointermove', at(1e-3) + 5);
    expect(picker.view.el.dataset['over']).toBe('line');
    picker.pointer('pointermove', at(1e-3) + 8);
    expect(picker.view.el.dataset['over']).toBe('');
  });
});

describe('what picks nothing', () => {
  test.each([
    ['the other button', { button: 2 }],
    ['a second finger', { isPrimary: false, pointerId: 2, pointerType: 'touch' }],
  ])('%s', (_name, init) => {
    picker.click(100, 150, init);
    expect(picker.sent).toEqual([]);
    expect(picker.hidden(DRAFT)).toBe(true);
  });

  test('a press that began elsewhere', () => {
    picker.pointer('pointerup', 100);
    expect(picker.sent).toEqual([]);
  });

  test('a scroll by touch: what was picked is there again', () => {
    picker.model.set('lr', 1e-3);
    picker.pointer('pointerdown', 100, 150, { pointerType: 'touch' });
    expect(picker.hidden(DRAFT)).toBe(false);
    picker.pointer('pointercancel', 100);
    picker.pointer('pointerup', 100);
    expect(picker.sent).toEqual([]);
    expect(picker.hidden(DRAFT)).toBe(true);
    expect(picker.aria('valuetext')).toBe('learning rate 1e-3');
  });

  test('a drag that a second finger joins', () => {
    const touch = { pointerType: 'touch' };
    picker.pointer('pointerdown', 100, 150, touch);
    picker.pointer('pointerdown', 300, 150, {
      ...touch,
      isPrimary: false,
      pointerId: 2,
    });
    picker.pointer('pointerup', 100, 150, touch);
    expect(picker.sent).toEqual([]);
    expect(picker.hidden(DRAFT)).toBe(true);
  });

  test('a drag that Escape ends: the release counts no more', () => {
    picker.pointer('pointerdown', 100);
    picker.pointer('pointermove', 200);
    picker.key('Escape');
    expect(picker.hidden(DRAFT)).toBe(true);
    picker.pointer('pointerup', 200);
    expect(picker.sent).toEqual([]);
  });

  test('a drag whose capture is lost, and a menu that opens over it', () => {
    picker.pointer('pointerdown', 100);
    picker.pointer('lostpointercapture', 100);
    picker.pointer('pointerup', 100);
    picker.pointer('pointerdown', 100);
    picker.pointer('contextmenu', 100);
    picker.pointer('pointerup', 100);
    expect(picker.sent).toEqual([]);
  });

  test('the wheel, which scrolls the page', () => {
    const event = new WheelEvent('wheel', { deltaY: 100, cancelable: true });
    picker.view.el.dispatchEvent(event);
    expect(event.defaultPrevented).toBe(false);
    expect(picker.sent).toEqual([]);
  });
});

describe('what was sent', () => {
  test('stays until the kernel answers', () => {
    picker.click(at(1e-3));
    expect(picker.hidden(DRAFT)).toBe(false);
    picker.model.set('lr', 2e-3);
    expect(picker.hidden(DRAFT)).toBe(true);
    expect(picker.aria('valuetext')).toBe('learning rate 2e-3');
  });

  test('goes when it is what the kernel says already', () => {
    picker.model.set('lr', 1e-7);
    picker.click(0);
    expect(picker.sent).toHaveLength(1);
    expect(picker.hidden(DRAFT)).toBe(true);
  });

  test('goes when the kernel does not answer', () => {
    picker.model.set('lr', 1e-3);
    picker.click(at(1e-2));
    vi.runAllTimers();
    expect(picker.hidden(DRAFT)).toBe(true);
    expect(picker.aria('valuetext')).toBe('learning rate 1e-3');
  });

  test('a pick of the kernel’s does not end a drag', () => {
    picker.pointer('pointerdown', at(1e-3));
    picker.model.set('lr', 1e-6);
    expect(picker.hidden(DRAFT)).toBe(false);
    expect(picker.place(DRAFT_LINE)).toBeCloseTo(at(1e-3));
    picker.pointer('pointercancel', 0);
    expect(picker.hidden(DRAFT)).toBe(true);
    expect(picker.part('.lr-widget-pick text').textContent).toBe('lr 1e-6');
  });
});

describe('suggestions', () => {
  const dot = [at(valley.lr), high(valley.y)] as const;

  beforeEach(() => {
    picker.model.set('suggestions', [valley]);
  });

  test('the pointer over a dot shows its reason in the place of the read-out', () => {
    picker.pointer('pointermove', dot[0] + 6, dot[1] + 6);
    expect(picker.view.el.dataset['over']).toBe('suggestion');
    expect(picker.lines(HOVER)[0]).toBe('valley 1.66e-3');
    expect(picker.lines(HOVER).slice(1).join(' ')).toBe(valley.reason);
    expect(picker.lines(HOVER).length).toBeGreaterThan(2);
    picker.pointer('pointermove', dot[0] + 9, dot[1] + 9);
    expect(picker.lines(HOVER)[0]).not.toContain('valley');
  });

  test('a click there takes the suggestion instead of picking', () => {
    picker.click(dot[0] + 6, dot[1]);
    expect(picker.sent).toEqual([{ action: 'take', name: 'valley' }]);
  });

  test('so does a tap, from further away', () => {
    picker.click(dot[0] + 18, dot[1], { pointerType: 'touch' });
    expect(picker.sent).toEqual([{ action: 'take', name: 'valley' }]);
  });

  test('so does a click on its label', () => {
    const label = '.lr-widget-markers text';
    picker.click(picker.place(label, 'x') + 20, picker.place(label, 'y') - 4);
    expect(picker.sent).toEqual([{ action: 'take', name: 'valley' }]);
  });

  test('a press there drafts exactly its number', () => {
    picker.pointer('pointerdown', dot[0] + 6, dot[1]);
    expect(Number(picker.aria('valuenow'))).toBe(valley.lr);
  });

  test('a drag that begins there picks where it ends', () => {
    picker.pointer('pointerdown', ...dot);
    picker.pointer('pointermove', at(1e-1), dot[1]);
    expect(picker.place(DRAFT_LINE)).toBeCloseTo(at(1e-1));
    picker.pointer('pointerup', at(1e-1), dot[1]);
    expect(picker.sent).toEqual([pick(1e-1)]);
  });
});

describe('zoom', () => {
  let frames: FrameRequestCallback[];

  const frame = () => {
    for (const callback of frames.splice(0)) callback(0);
  };

  const wheel = (deltaY: number, x: number, y: number, init: WheelEventInit = {}) => {
    const screen = { clientX: 10 + x / 2, clientY: 20 + y / 2 };
    const flags = { bubbles: true, cancelable: true };
    const event = new WheelEvent('wheel', { deltaY, ...flags, ...screen, ...init });
    picker.view.el.dispatchEvent(event);
    return event;
  };

  beforeEach(() => {
    frames = [];
    vi.stubGlobal('requestAnimationFrame', (callback: FrameRequestCallback) =>
      frames.push(callback),
    );
    picker.model.set('zoom', true);
  });

  afterEach(() => {
    vi.unstubAllGlobals();
  });

  test('the wheel zooms about the cursor, at most once per frame, and not the page', () => {
    expect(wheel(-500, at(1e-3), 150).defaultPrevented).toBe(true);
    expect(picker.sent).toEqual([]);
    frame();
    const close = (value: number) => expect.closeTo(value, 9);
    expect(picker.sent).toEqual([
      { action: 'view', x: [close(1e-5), close(1e-1)], y: [close(0.75), close(2.25)] },
    ]);
    expect(picker.x_scale.get('min')).toBe(1e-7);
  });

  test('with Shift it zooms x alone', () => {
    wheel(-500, at(1e-3), 150, { shiftKey: true });
    frame();
    expect(picker.sent).toEqual([expect.objectContaining({ y: [0, 3] })]);
  });

  test('a drag pans both axes and picks nothing', () => {
    picker.pointer('pointerdown', 300, 100);
    expect(picker.view.el.dataset['hold']).toBe('plane');
    picker.pointer('pointermove', 390, 200);
    frame();
    picker.pointer('pointerup', 390, 200);
    const close = (value: number) => expect.closeTo(value, 9);
    expect(picker.sent).toEqual([
      { action: 'view', x: [close(1e-8), close(1)], y: [close(1), close(4)] },
    ]);
    expect(picker.view.el.dataset['hold']).toBe('');
  });

  test('a click picks nothing, a double click sends reset', () => {
    picker.click(300);
    expect(picker.sent).toEqual([]);
    picker.view.el.dispatchEvent(new MouseEvent('dblclick'));
    expect(picker.sent).toEqual([{ action: 'reset' }]);
  });

  test('Escape puts back what a drag has moved', () => {
    picker.pointer('pointerdown', 300, 100);
    picker.pointer('pointermove', 390, 200);
    frame();
    picker.key('Escape');
    frame();
    expect(picker.sent.at(-1)).toEqual({ action: 'view', x: [1e-7, 10], y: [0, 3] });
  });

  test('the line of the pick and a suggestion are still there to touch', () => {
    picker.model.set({ lr: 1e-5, suggestions: [valley] });
    picker.click(at(valley.lr), high(valley.y));
    picker.pointer('pointerdown', at(1e-5) + 3, 20);
    picker.pointer('pointermove', at(1e-4), 20);
    picker.pointer('pointerup', at(1e-4), 20);
    expect(picker.sent).toEqual([{ action: 'take', name: 'valley' }, pick(1e-4)]);
  });

  test('without it a double click resets nothing', () => {
    picker.model.set('zoom', false);
    picker.view.el.dispatchEvent(new MouseEvent('dblclick'));
    expect(picker.sent).toEqual([]);
  });
});
