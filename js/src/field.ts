import { DOMWidgetModel, DOMWidgetView, uuid } from '@jupyter-widgets/base';
import { NAME, VERSION } from './version';

export class FieldModel extends DOMWidgetModel {
  override defaults() {
    return {
      ...super.defaults(),
      _model_name: 'FieldModel',
      _model_module: NAME,
      _model_module_version: `^${VERSION}`,
      _view_name: 'FieldView',
      _view_module: NAME,
      _view_module_version: `^${VERSION}`,
      value: '',
      description: '',
      placeholder: '',
      error: '',
      disabled: false,
    };
  }
}

/// A text field that sends what a person submits and leaves `value` to the kernel.
/// It wears the classes of ipywidgets' Text, to stand beside other widgets.
export class FieldView extends DOMWidgetView {
  private label!: HTMLLabelElement;
  private input!: HTMLInputElement;
  private error!: HTMLSpanElement;
  // The last text the kernel knows of. Only a text that differs is news, so Enter
  // and the `change` event that follows it send once.
  private known = '';
  // Escape puts the error aside; the next submit brings back what the kernel says.
  private dismissed = false;

  override render(): void {
    super.render();
    this.build();
    this.listenTo(this.model, 'change:value', this.followValue);
    this.listenTo(this.model, 'change:error', this.showNewError);
    this.listenTo(this.model, 'change:description', this.showTexts);
    this.listenTo(this.model, 'change:placeholder', this.showTexts);
    this.listenTo(this.model, 'change:disabled', this.showTexts);
    this.listenTo(this.model, 'change:tabbable', this.updateTabindex);
    this.showValue();
    this.showError();
    this.showTexts();
    this.updateTabindex();
    this.updateTooltip();
  }

  // Not `update`: that runs on any change, and would overwrite what is being typed.
  private showValue(): void {
    this.known = this.model.get('value');
    const { selectionStart: start, selectionEnd: end, value } = this.input;
    const selected =
      start === 0 && end === value.length && this.input.matches(':focus');
    this.input.value = this.known;
    // Who selected the text is about to type over it, and must not type behind it.
    if (selected) this.input.select();
  }

  // What a person is typing at this moment stays, whatever was picked elsewhere.
  private followValue(): void {
    const typing = this.input.matches(':focus') && this.input.value !== this.known;
    if (typing) this.known = this.model.get('value');
    else this.showValue();
  }

  private showNewError(): void {
    this.dismissed = false;
    this.showError();
  }

  private showError(): void {
    const text: string = this.dismissed ? '' : this.model.get('error');
    this.error.textContent = text;
    this.error.hidden = !text;
    if (text) {
      this.input.setAttribute('aria-invalid', 'true');
      this.input.setAttribute('aria-describedby', this.error.id);
    } else {
      this.input.removeAttribute('aria-invalid');
      this.input.removeAttribute('aria-describedby');
    }
  }

  private showTexts(): void {
    const description: string = this.model.get('description');
    this.label.textContent = description;
    this.label.title = description;
    this.label.style.display = description ? '' : 'none';
    this.input.placeholder = this.model.get('placeholder');
    this.input.disabled = this.model.get('disabled');
  }

  override updateTabindex(): void {
    const tabbable: boolean | null = this.model.get('tabbable');
    if (tabbable === null) this.input?.removeAttribute('tabindex');
    else this.input?.setAttribute('tabindex', tabbable ? '0' : '-1');
  }

  override updateTooltip(): void {
    // Called by the base class before there is an input.
    if (this.input) this.input.title = this.model.get('tooltip') ?? '';
  }

  private submit(): void {
    const text = this.input.value;
    if (text === this.known) return;
    this.known = text;
    this.dismissed = false;
    this.showError();
    this.send({ action: 'submit', text });
  }

  private handleKey(event: KeyboardEvent): void {
    // Typing must not reach the shortcuts of the notebook.
    event.stopPropagation();
    if (event.isComposing) return;
    if (event.key === 'Enter') this.submit();
    if (event.key === 'Escape') {
      this.showValue();
      this.dismissed = true;
      this.showError();
    }
  }

  private build(): void {
    this.el.classList.add(
      'jupyter-widgets',
      'widget-inline-hbox',
      'widget-text',
      'lr-widget-field',
    );
    this.label = document.createElement('label');
    this.label.classList.add('widget-label');
    this.input = document.createElement('input');
    this.input.type = 'text';
    this.input.inputMode = 'decimal';
    this.input.autocomplete = 'off';
    this.input.spellcheck = false;
    this.input.classList.add('widget-input');
    this.input.dataset['lmSuppressShortcuts'] = 'true';
    this.input.id = this.label.htmlFor = uuid();
    this.error = document.createElement('span');
    this.error.classList.add('lr-widget-error');
    this.error.id = uuid();
    this.error.setAttribute('role', 'alert');
    this.input.addEventListener('keydown', (event) => this.handleKey(event));
    this.input.addEventListener('change', () => this.submit());
    const column = document.createElement('div');
    column.classList.add('lr-widget-column');
    column.append(this.input, this.error);
    this.el.append(this.label, column);
  }
}
