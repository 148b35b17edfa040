import { DOMWidgetModel, DOMWidgetView } from '@jupyter-widgets/base';
import { NAME, VERSION } from './version';

export class MessageModel extends DOMWidgetModel {
  override defaults() {
    return {
      ...super.defaults(),
      _model_name: 'MessageModel',
      _model_module: NAME,
      _model_module_version: `^${VERSION}`,
      _view_name: 'MessageView',
      _view_module: NAME,
      _view_module_version: `^${VERSION}`,
      value: '',
    };
  }
}

/// A live region. The element stays and its text changes: only that is spoken.
export class MessageView extends DOMWidgetView {
  override preinitialize(): void {
    this.tagName = 'p';
  }

  override render(): void {
    super.render();
    this.el.classList.add('jupyter-widgets', 'lr-widget-message');
    this.el.setAttribute('role', 'status');
    this.el.setAttribute('aria-live', 'polite');
    this.listenTo(this.model, 'change:value', this.show);
    this.show();
  }

  private show(): void {
    const text: string = this.model.get('value');
    if (this.el.textContent !== text) this.el.textContent = text;
  }
}
