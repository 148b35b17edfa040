import type { DOMWidgetModel, WidgetModel, WidgetView } from '@jupyter-widgets/base';

type Attributes = Record<string, unknown>;

// biome-ignore lint/suspicious/noExplicitAny: any model or view class
type Class = new (...args: any[]) => any;

/// A model with no kernel behind it, and a list of what its views sent.
export function modelOf<T extends WidgetModel>(type: Class, attributes: Attributes) {
  const manager = { display_model: () => {}, inline_sanitize: (text: string) => text };
  const model: T = new type(attributes, {
    model_id: crypto.randomUUID(),
    widget_manager: manager,
  });
  const sent: unknown[] = [];
  model.send = (content: unknown) => {
    sent.push(content);
  };
  return { model, sent };
}

/// A view of the model, rendered, its element in the page.
export async function viewOf<T extends WidgetView>(
  type: Class,
  model: WidgetModel | DOMWidgetModel,
  options: Attributes = {},
): Promise<T> {
  const view: T = new type({ model, options });
  view.callbacks = () => ({});
  if (options['children']) {
    view.create_child_view = options['children'] as typeof view.create_child_view;
  }
  await view.render();
  return view;
}
