import { DOMWidgetModel, DOMWidgetView } from '@jupyter-widgets/base';
import { keepKeys } from './shortcuts';
import { NAME, VERSION } from './version';

export class ButtonModel extends DOMWidgetModel {
  override defaults() {
    return {
      ...super.defaults(),
      _model_name: 'ButtonModel',
      _model_module: NAME,
      _model_module_version: `^${VERSION}`,
      _view_name: 'ButtonView',
      _view_module: NAME,
      _view_module_version: `^${VERSION}`,
      description: '',
      icon: '',
      disabled: false,
    };
  }
}

/// A push button in the clothes of ipywidgets' own. It keeps the focus when it is
/// disabled: the person who has pressed Run is then still at Run, and not nowhere.
export class ButtonView extends DOMWidgetView {
  override preinitialize(): void {
    this.tagName = 'button';
  }

  override render(): void {
    super.render();
    this.el.setAttribute('type', 'button');
    this.el.classList.add('jupyter-widgets', 'jupyter-button', 'widget-button');
    keepKeys(this.el);
    this.el.addEventListener('click', () => {
      if (!this.model.get('disabled')) this.send({ action: 'click' });
    });
    this.listenTo(this.model, 'change:description change:icon', this.showText);
    this.listenTo(this.model, 'change:disabled', this.showDisabled);
    this.showText();
    this.showDisabled();
  }

  private showText(): void {
    const icon = document.createElement('i');
    icon.classList.add('fa', `fa-${this.model.get('icon')}`);
    icon.setAttribute('aria-hidden', 'true');
    this.el.replaceChildren(icon, this.model.get('description'));
  }

  private showDisabled(): void {
    this.el.setAttribute('aria-disabled', String(this.model.get('disabled')));
  }
}
