import { WidgetModel } from '@jupyter-widgets/base';
import { beforeEach, expect, test } from 'vitest';
import { BulletinModel, type Entry } from '../src/bulletin';
import { modelOf } from './fake/kernel';

type Update = Parameters<WidgetModel['_handle_comm_msg']>[0];

let models: Map<string, Promise<WidgetModel>>;
let bulletin: BulletinModel;

/// A bulletin on a page with two widgets, `a` and `b`.
beforeEach(() => {
  bulletin = modelOf<BulletinModel>(BulletinModel, {}).model;
  models = new Map();
  const { widget_manager: manager } = bulletin;
  manager.has_model = (id: string) => models.has(id);
  manager.get_model = (id: string) => models.get(id) as Promise<WidgetModel>;
  for (const id of ['a', 'b']) models.set(id, Promise.resolve(widget()));
});

const widget = () => modelOf<WidgetModel>(WidgetModel, { value: 0 }).model;

const message = (data: unknown, buffers: DataView[] = []) =>
  ({ content: { comm_id: 'bulletin', data }, buffers }) as unknown as Update;

const post = (entries: Entry[], buffers: DataView[] = []) =>
  bulletin._handle_comm_msg(message({ method: 'custom', content: entries }, buffers));

const update = (model: WidgetModel, value: unknown) =>
  model._handle_comm_msg(
    message({ method: 'update', state: { value }, buffer_paths: [] }),
  );

const bytes = (...numbers: number[]) => new DataView(new Uint8Array(numbers).buffer);

test('each widget takes its part, in the order of the message', async () => {
  const [a, b] = await Promise.all(models.values());
  const order: string[] = [];
  a?.on('change:value', () => order.push('a'));
  b?.on('change:value', () => order.push('b'));
  await post([
    ['b', { value: 2 }, []],
    ['a', { value: 1, more: 'x' }, []],
  ]);
  expect(order).toEqual(['b', 'a']);
  expect([a?.get('value'), a?.get('more'), b?.get('value')]).toEqual([1, 'x', 2]);
});

test('each part gets its own buffers, put where they belong', async () => {
  const [a, b] = await Promise.all(models.values());
  await post(
    [
      [
        'a',
        { value: { shape: [1] }, more: {} },
        [
          ['value', 'data'],
          ['more', 'data'],
        ],
      ],
      ['b', { value: {} }, [['value', 'data']]],
    ],
    [bytes(1), bytes(2), bytes(3)],
  );
  expect(a?.get('value').data.getUint8(0)).toBe(1);
  expect(a?.get('value').shape).toEqual([1]);
  expect(a?.get('more').data.getUint8(0)).toBe(2);
  expect(b?.get('value').data.getUint8(0)).toBe(3);
});

test('what comes from the kernel is not what the browser has to send back', async () => {
  const [a] = await Promise.all(models.values());
  await post([['a', { value: 1 }, []]]);
  expect(a?.changedAttributes()).toBeTruthy();
  const diff = (a as unknown as { _buffered_state_diff: object })._buffered_state_diff;
  expect(diff).toEqual({});
});

test('posts, and updates between them, are applied as they were sent', async () => {
  const [a] = (await Promise.all(models.values())) as [WidgetModel];
  await post([['a', { value: 0.5 }, []]]);
  const seen: unknown[] = [];
  a.on('change:value', () => seen.push(a.get('value')));
  // As the kernel's messages are taken: one when the one before is done.
  await post([['a', { value: 1 }, []]]);
  await update(a, 2);
  await post([['a', { value: 3 }, []]]);
  // And a front end that does not wait.
  const last = [post([['a', { value: 4 }, []]]), post([['a', { value: 5 }, []]])];
  await Promise.all(last);
  expect(seen).toEqual([1, 2, 3, 4, 5]);
});

test('a widget that is still being made gets its part first', async () => {
  let made: (model: WidgetModel) => void = () => {};
  const late = new Promise<WidgetModel>((resolve) => {
    made = resolve;
  });
  models.set('late', late);
  const posts = [
    post([['late', { value: 1 }, []]]),
    post([['late', { value: 2 }, []]]),
  ];
  const model = widget();
  const seen: unknown[] = [];
  model.on('change:value', () => seen.push(model.get('value')));
  made(model);
  await Promise.all(posts);
  expect(seen).toEqual([1, 2]);
});

test('a widget that the page does not have is passed over', async () => {
  const [a] = await Promise.all(models.values());
  await post(
    [
      ['gone', { value: {} }, [['value', 'data']]],
      ['a', { value: {} }, [['value', 'data']]],
    ],
    [bytes(1), bytes(2)],
  );
  expect(a?.get('value').data.getUint8(0)).toBe(2);
});

test('a widget that was closed gets nothing more', async () => {
  const [a] = (await Promise.all(models.values())) as [WidgetModel];
  await post([['a', { value: 1 }, []]]);
  models.delete('a');
  await a.close(true);
  await post([['a', { value: 2 }, []]]);
  expect(a.get('value')).toBe(1);
});

test('a widget that fails leaves the others their parts', async () => {
  const [a, b] = (await Promise.all(models.values())) as [WidgetModel, WidgetModel];
  a._handle_comm_msg = () => Promise.reject(new Error('no'));
  models.set('broken', Promise.reject(new Error('not made')));
  await post([
    ['a', { value: 1 }, []],
    ['broken', { value: 1 }, []],
    ['b', { value: 1 }, []],
  ]);
  expect(b.get('value')).toBe(1);
});

test('the state of the bulletin itself comes as with any widget', async () => {
  await bulletin._handle_comm_msg(
    message({ method: 'update', state: { _view_count: 1 }, buffer_paths: [] }),
  );
  expect(bulletin.get('_view_count')).toBe(1);
});
