import { DOMWidgetModel, DOMWidgetView, uuid } from '@jupyter-widgets/base';
import { keepKeys } from './shortcuts';
import { NAME, VERSION } from './version';

export class ChoiceModel extends DOMWidgetModel {
  override defaults() {
    return {
      ...super.defaults(),
      _model_name: 'ChoiceModel',
      _model_module: NAME,
      _model_module_version: `^${VERSION}`,
      _view_name: 'ChoiceView',
      _view_module: NAME,
      _view_module_version: `^${VERSION}`,
      description: '',
      options: [],
      value: '',
      disabled: false,
    };
  }
}

/// A native list of choices that sends what a person chooses and leaves `value` to the
/// kernel. It wears the classes of ipywidgets' Dropdown, to stand beside a Field.
export class ChoiceView extends DOMWidgetView {
  private label!: HTMLLabelElement;
  private select!: HTMLSelectElement;
  private asked = 0;

  override render(): void {
    super.render();
    this.build();
    this.listenTo(this.model, 'change:options', this.showOptions);
    this.listenTo(this.model, 'change:value', this.showValue);
    this.listenTo(this.model, 'change:description', this.showTexts);
    this.listenTo(this.model, 'change:disabled', this.showTexts);
    this.listenTo(this.model, 'change:tabbable', this.updateTabindex);
    this.showOptions();
    this.showTexts();
    this.updateTabindex();
    this.updateTooltip();
  }

  private showOptions(): void {
    const options: [string, string][] = this.model.get('options');
    this.select.replaceChildren(
      ...options.map(([value, name]) => new Option(name, value)),
    );
    this.showValue();
  }

  private showValue(): void {
    this.select.value = this.model.get('value');
  }

  private showTexts(): void {
    const description: string = this.model.get('description');
    this.label.textContent = description;
    this.label.title = description;
    this.label.style.display = description ? '' : 'none';
    this.select.disabled = this.model.get('disabled');
  }

  override updateTabindex(): void {
    const tabbable: boolean | null = this.model.get('tabbable');
    if (tabbable === null) this.select?.removeAttribute('tabindex');
    else this.select?.setAttribute('tabindex', tabbable ? '0' : '-1');
  }

  override updateTooltip(): void {
    // Called by the base class before there is a list.
    if (this.select) this.select.title = this.model.get('tooltip') ?? '';
  }

  /// Sends the choice; when the kernel has handled the last one, what it made of it is
  /// shown: a choice that was refused changes no trait, and nothing else would tell.
  private choose(): void {
    const turn = ++this.asked;
    const callbacks = this.callbacks();
    const status = (message: { content: object }) => {
      const { execution_state: state } = message.content as Record<string, string>;
      if (state === 'idle' && turn === this.asked) this.showValue();
    };
    callbacks.iopub = { ...callbacks.iopub, status };
    this.model.send({ action: 'choose', value: this.select.value }, callbacks);
  }

  private build(): void {
    this.el.classList.add(
      'jupyter-widgets',
      'widget-inline-hbox',
      'widget-dropdown',
      'lr-widget-choice',
    );
    keepKeys(this.el);
    this.label = document.createElement('label');
    this.label.classList.add('widget-label');
    this.select = document.createElement('select');
    this.select.id = this.label.htmlFor = uuid();
    this.select.addEventListener('change', () => this.choose());
    this.el.append(this.label, this.select);
  }
}
