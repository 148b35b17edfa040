import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { OptionsModel, OptionsView } from '../src/options';
import { modelOf, viewOf } from './fake/kernel';

type Request = { action: string; format: string; view: string };
type Callbacks = { iopub: { status(message: object): void } };

let left: Awaited<ReturnType<typeof build>>;
let saved: { filename: string; blob: Blob }[];
let blobs: Map<string, Blob>;

async function build() {
  const { model, sent } = modelOf<OptionsModel>(OptionsModel, {});
  const asked: Callbacks[] = [];
  model.send = (content: unknown, callbacks?: unknown) => {
    sent.push(content);
    asked.push(callbacks as Callbacks);
  };
  const view = await viewOf<OptionsView>(OptionsView, model);
  document.body.append(view.el);
  return { model, sent: sent as Request[], asked, view };
}

function choose(text: string, { el } = left.view) {
  const items = [...el.querySelectorAll<HTMLElement>('[role=menuitem]')];
  items.find((item) => item.textContent === text)?.click();
}

const error = () => left.view.el.querySelector('.lr-widget-error') as HTMLElement;

function reply(format: string, text: string, view = left.sent.at(-1)?.view) {
  left.model.trigger('msg:custom', {
    download: format,
    view,
    filename: `curve.${format}`,
    text,
  });
}

/// What stands for the browser's reading of a picture.
function pictures(outcome: 'load' | 'error') {
  class Picture {
    naturalWidth = 300;
    naturalHeight = 200;
    onload = () => {};
    onerror = () => {};
    set src(url: string) {
      expect(decodeURIComponent(url)).toContain('<svg>é');
      queueMicrotask(() => (outcome === 'load' ? this.onload() : this.onerror()));
    }
  }
  vi.stubGlobal('Image', Picture);
}

beforeEach(async () => {
  saved = [];
  blobs = new Map();
  vi.useFakeTimers();
  vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (
    this: HTMLAnchorElement,
  ) {
    saved.push({ filename: this.download, blob: blobs.get(this.href) as Blob });
  });
  URL.createObjectURL = (blob) => {
    const url = `blob:${blobs.size}`;
    blobs.set(url, blob as Blob);
    return url;
  };
  URL.revokeObjectURL = (url) => {
    blobs.delete(url);
  };
  left = await build();
});

afterEach(() => {
  left.view.remove();
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

test('a CSV that was asked for is saved under the kernel’s name, once', async () => {
  choose('CSV');
  expect(left.sent).toEqual([
    { action: 'download', format: 'csv', view: expect.any(String) },
  ]);
  reply('csv', 'lr,loss\n');
  reply('csv', 'lr,loss\n');
  await vi.waitFor(() => expect(saved).toHaveLength(1));
  expect(saved[0]?.filename).toBe('curve.csv');
  expect(saved[0]?.blob.type).toBe('text/csv;charset=utf-8');
  expect(await saved[0]?.blob.text()).toBe('lr,loss\n');
  expect(document.querySelector('a')).toBeNull();
  vi.runAllTimers();
  expect(blobs.size).toBe(0);
});

test('only the view that asked saves the file', async () => {
  choose('SVG');
  reply('svg', '<svg/>', 'another view');
  expect(saved).toEqual([]);
  const right = await viewOf<OptionsView>(OptionsView, left.model);
  choose('SVG', right);
  const [first, second] = left.sent;
  expect(first?.view).not.toBe(second?.view);
  reply('svg', '<svg/>', second?.view);
  await vi.waitFor(() => expect(saved).toHaveLength(1));
});

test('a PNG is the SVG on a canvas of twice its size', async () => {
  const drawn: unknown[] = [];
  pictures('load');
  HTMLCanvasElement.prototype.getContext = (() => ({
    drawImage: (_image: unknown, ...box: number[]) => drawn.push(box),
  })) as never;
  HTMLCanvasElement.prototype.toBlob = function (done, type) {
    done(new Blob([`${this.width}x${this.height}`], type ? { type } : {}));
  };
  choose('PNG');
  reply('png', '<svg>é</svg>');
  await vi.waitFor(() => expect(saved).toHaveLength(1));
  expect(drawn).toEqual([[0, 0, 600, 400]]);
  expect(saved[0]?.filename).toBe('curve.png');
  expect(saved[0]?.blob.type).toBe('image/png');
  expect(error().hidden).toBe(true);
});

test('a picture that cannot be drawn says so, until the next try', async () => {
  pictures('error');
  choose('PNG');
  reply('png', '<svg>é</svg>');
  await vi.waitFor(() => expect(error().hidden).toBe(false));
  expect(error().textContent).toContain('try SVG');
  expect(error().getAttribute('role')).toBe('alert');
  expect(saved).toEqual([]);
  choose('SVG');
  expect(error().hidden).toBe(true);
});

test('a kernel that is done and sent no file is no silence', () => {
  choose('CSV');
  left.asked.at(-1)?.iopub.status({ content: { execution_state: 'idle' } });
  expect(error().textContent).toContain('No CSV file came');
  reply('csv', 'late');
  expect(saved).toHaveLength(1);
  expect(error().hidden).toBe(true);
});
