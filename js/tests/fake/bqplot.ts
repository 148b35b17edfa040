import { WidgetView } from '@jupyter-widgets/base';

/// As much of bqplot's Interaction as the picker leans on.
export class Interaction extends WidgetView {
  parent!: {
    plotareaWidth: number;
    plotareaHeight: number;
  };

  override initialize(parameters: WidgetView.IInitializeParameters): void {
    const rect = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
    this.setElement(rect as unknown as HTMLElement);
    super.initialize(parameters);
  }

  override render(): void {
    this.parent = this.options.parent;
    this.listenTo(this.options.parent, 'margin_updated', this.relayout);
  }

  relayout(): void {
    this.el.setAttribute('width', String(this.parent.plotareaWidth));
  }

  override remove(): void {
    super.remove();
  }
}
