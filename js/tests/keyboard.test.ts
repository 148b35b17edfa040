import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { at, type Chart, chart } from './fake/chart';

const DRAFT = '.lr-widget-draft';
const LABEL = '.lr-widget-draft text';

let picker: Chart;

const now = () => Number(picker.aria('valuenow'));

beforeEach(async () => {
  document.body.replaceChildren();
  picker = await chart({ lr: 1e-3 });
  picker.raw.set({ x: [1e-4, 3e-4, 1e-3, 3e-3], y: [2, 2, 1.5, 1] });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

test('the arrows draft the next tested learning rate, and send nothing', () => {
  picker.key('ArrowRight');
  expect(now()).toBe(3e-3);
  picker.key('ArrowLeft');
  picker.key('ArrowDown');
  expect(now()).toBe(3e-4);
  expect(picker.sent).toEqual([]);
  expect(picker.model.get('lr')).toBe(1e-3);
});

test('the draft is another line than the pick, and says how to pick it', () => {
  picker.key('ArrowRight');
  expect(picker.part(LABEL).textContent).toBe('lr 3e-3 · Enter to pick');
  expect(picker.part(DRAFT).classList.contains('lr-widget-open')).toBe(true);
  expect(picker.place('.lr-widget-pick .lr-widget-line')).toBeCloseTo(at(1e-3));
  expect(picker.part('.lr-widget-pick').classList.contains('lr-widget-past')).toBe(
    true,
  );
});

test('the hint is shorter in a narrow plot', () => {
  picker.parent.plotareaWidth = 320;
  picker.parent.trigger('margin_updated');
  picker.key('ArrowRight');
  expect(picker.part(LABEL).textContent).toBe('lr 3e-3 · Enter');
});

test('what the curve says at the draft is shown and spoken', () => {
  picker.line.set({ x: [1e-3, 3e-3], y: [1.5, 1.02] });
  picker.key('ArrowRight');
  expect(picker.lines('.lr-widget-hover')[0]).toBe('loss 1.02 (raw 1), −1 per decade');
  expect(picker.aria('valuetext')).toBe('learning rate 3e-3, loss 1.02');
});

test('Shift and arrow go by a tenth of a decade, PageUp by a decade, Home to the end', () => {
  picker.key('ArrowRight', { shiftKey: true });
  expect(now()).toBeCloseTo(1e-3 * 10 ** 0.1, 12);
  picker.key('PageUp');
  expect(now()).toBeCloseTo(1e-2 * 10 ** 0.1, 12);
  picker.key('Home');
  expect(now()).toBe(1e-7);
  picker.key('End');
  expect(now()).toBe(10);
});

test('Enter sends the draft, once', () => {
  picker.key('ArrowRight');
  picker.key('Enter');
  picker.key('Enter');
  expect(picker.sent).toEqual([{ action: 'pick', lr: 3e-3 }]);
  picker.model.set('lr', 3e-3);
  expect(picker.hidden(DRAFT)).toBe(true);
});

test('Enter without a draft sends nothing', () => {
  picker.key('Enter');
  expect(picker.sent).toEqual([]);
});

test('Escape restores what the kernel has, and is the page’s when there is no draft', () => {
  picker.key('ArrowRight');
  expect(picker.key('Escape').defaultPrevented).toBe(true);
  expect(picker.hidden(DRAFT)).toBe(true);
  expect(now()).toBe(1e-3);
  expect(picker.key('Escape').defaultPrevented).toBe(false);
});

test('a draft that was not committed goes with the focus', () => {
  picker.key('ArrowRight');
  picker.view.el.dispatchEvent(new FocusEvent('blur'));
  expect(picker.hidden(DRAFT)).toBe(true);
  picker.key('Enter');
  expect(picker.sent).toEqual([]);
});

test('a pick of the kernel’s ends the draft', () => {
  picker.key('ArrowRight');
  picker.model.set('lr', 1e-5);
  expect(picker.hidden(DRAFT)).toBe(true);
  expect(now()).toBe(1e-5);
});

test('where nothing is picked the first key starts at the first suggestion', () => {
  const suggestion = {
    name: 'steep',
    y: 1,
    color: '#000',
    reason: '',
    doubt: '',
    origin: null,
  };
  picker.model.set({ lr: null, suggestions: [{ ...suggestion, lr: 2.5e-3 }] });
  picker.key('ArrowRight');
  expect(now()).toBe(2.5e-3);
  picker.key('ArrowRight');
  expect(now()).toBe(3e-3);
});

test('a suggestion that the axis does not show is no start', () => {
  const suggestion = { y: 1, color: '#000', reason: '', doubt: '', origin: null };
  const suggestions = [
    { ...suggestion, name: 'steep', lr: 1e-7 },
    { ...suggestion, name: 'valley', lr: 2e-3 },
  ];
  picker.model.set({ lr: null, suggestions });
  picker.x_scale.set({ min: 1e-4, max: 1e-2 });
  picker.x_scale.trigger('domain_changed');
  expect(picker.aria('valuemin')).toBe('0.0001');
  picker.key('ArrowRight');
  expect(now()).toBe(2e-3);
});

test('a suggestion in doubt is a start only where there is no other', () => {
  const suggestion = { y: 1, color: '#000', reason: '', origin: null };
  const doubtful = { ...suggestion, name: 'steep', lr: 2.5e-3, doubt: 'all noise' };
  const sure = { ...suggestion, name: 'valley', lr: 2e-3, doubt: '' };
  picker.model.set({ lr: null, suggestions: [doubtful, sure] });
  picker.key('ArrowRight');
  expect(now()).toBe(2e-3);
  picker.key('Escape');
  picker.model.set('suggestions', [doubtful, { ...sure, lr: 100 }]);
  picker.key('ArrowRight');
  expect(now()).toBe(2.5e-3);
});

test('where there is no suggestion either it starts in the middle of the axis', () => {
  picker.model.set('lr', null);
  picker.key('PageUp');
  expect(now()).toBeCloseTo(1e-3, 12);
  picker.key('PageUp');
  expect(now()).toBeCloseTo(1e-2, 12);
});

test('with snap every draft is a tested learning rate', () => {
  picker.model.set({ snap: true, lr: null });
  picker.key('ArrowRight');
  expect(now()).toBe(1e-3);
  picker.key('PageDown');
  expect(now()).toBe(1e-4);
  picker.key('End');
  expect(now()).toBe(3e-3);
});

test('keys that are used reach no shortcut and do not scroll; others go on', () => {
  const heard: string[] = [];
  picker.svg.addEventListener('keydown', (event) => heard.push(event.key));
  for (const key of ['ArrowDown', 'PageUp', 'Home', 'Enter', '0']) {
    expect(picker.key(key).defaultPrevented).toBe(true);
  }
  expect(heard).toEqual([]);
  expect(picker.key('d').defaultPrevented).toBe(false);
  expect(picker.key('Tab').defaultPrevented).toBe(false);
  expect(heard).toEqual(['d', 'Tab']);
});

test('keys do not move what a hand holds', () => {
  picker.pointer('pointerdown', at(1e-2));
  picker.key('Home');
  expect(now()).toBeCloseTo(1e-2, 12);
});

test('+ and - zoom about the pick, and 0 shows the whole curve again', () => {
  vi.stubGlobal('requestAnimationFrame', (callback: FrameRequestCallback) => {
    callback(0);
    return null;
  });
  picker.line.set({ x: [1e-3], y: [1.5] });
  picker.key('+');
  const [{ x, y }] = picker.sent as [{ x: number[]; y: number[] }];
  expect(Math.log10(Number(x[0])) + Math.log10(Number(x[1]))).toBeCloseTo(-6);
  expect(Number(x[1]) / Number(x[0])).toBeCloseTo(10 ** (8 / 1.5), 0);
  expect(y).toEqual([expect.closeTo(0.5), expect.closeTo(2.5)]);
  picker.key('-');
  picker.key('0');
  expect(picker.sent.slice(1)).toEqual([
    {
      action: 'view',
      x: [expect.closeTo(1e-7, 12), expect.closeTo(10, 6)],
      y: [expect.closeTo(0), expect.closeTo(3)],
    },
    { action: 'reset' },
  ]);
});
