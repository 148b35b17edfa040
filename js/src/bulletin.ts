import { WidgetModel } from '@jupyter-widgets/base';
import { NAME, VERSION } from './version';

type Update = Parameters<WidgetModel['_handle_comm_msg']>[0];
type State = { [name: string]: unknown };

/// What changed on one widget: its id, its traits, and where in them buffers belong.
export type Entry = [id: string, state: State, paths: (string | number)[][]];

/// Takes a frame apart and hands each widget its part as an ordinary update. It has no
/// view and keeps no state: that is the widgets' own.
export class BulletinModel extends WidgetModel {
  private readonly known = new Map<string, WidgetModel>();
  private told: Promise<void> = Promise.resolve();

  override defaults() {
    return {
      ...super.defaults(),
      _model_name: 'BulletinModel',
      _model_module: NAME,
      _model_module_version: `^${VERSION}`,
    };
  }

  /// Done when every widget has taken its part. The kernel's next message waits until
  /// then: so what is sent to one widget is applied in the order in which it was sent.
  override _handle_comm_msg(message: Update): Promise<void> {
    if (message.content.data['method'] !== 'custom') {
      return super._handle_comm_msg(message);
    }
    this.told = this.told.then(() => this.tell(message));
    return this.told;
  }

  private async tell(message: Update): Promise<void> {
    const entries = message.content.data['content'] as unknown as Entry[];
    const buffers = message.buffers ?? [];
    let used = 0;
    for (const [id, state, paths] of entries) {
      const own = buffers.slice(used, used + paths.length);
      used += paths.length;
      const data = { method: 'update', state, buffer_paths: paths };
      const content = { comm_id: id, data } as unknown as Update['content'];
      try {
        // Without waiting where there is nothing to wait for.
        const model = this.known.get(id) ?? (await this.find(id));
        await model?._handle_comm_msg({ ...message, content, buffers: own });
      } catch {
        // The model has logged it. The others get their parts nevertheless.
      }
    }
  }

  /// The widget of that id; undefined if this page has none, or not any more.
  private async find(id: string): Promise<WidgetModel | undefined> {
    if (!this.widget_manager.has_model(id)) return undefined;
    const model = await this.widget_manager.get_model(id);
    this.known.set(id, model);
    this.listenToOnce(model, 'destroy', () => this.known.delete(id));
    return model;
  }
}
