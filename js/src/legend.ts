import { DOMWidgetModel, DOMWidgetView } from '@jupyter-widgets/base';
import {
  CurveEntry,
  type CurveItem,
  SuggestionEntry,
  type SuggestionItem,
} from './entry';
import { Roll } from './roll';
import { keepKeys } from './shortcuts';
import { NAME, VERSION } from './version';

export class LegendModel extends DOMWidgetModel {
  override defaults() {
    return {
      ...super.defaults(),
      _model_name: 'LegendModel',
      _model_module: NAME,
      _model_module_version: `^${VERSION}`,
      _view_name: 'LegendView',
      _view_module: NAME,
      _view_module_version: `^${VERSION}`,
      curves: [],
      suggestions: [],
    };
  }
}

/// The curves and the suggestions by name. Each press sends one action; what becomes
/// of it is the kernel's to say.
export class LegendView extends DOMWidgetView {
  private readonly act = (action: string, name: string, to?: string) => {
    this.send(to === undefined ? { action, name } : { action, name, to });
  };
  private readonly curves = new Roll<CurveItem>(
    'curves',
    () => new CurveEntry(this.act, (name) => this.named(name)),
  );
  private readonly suggestions = new Roll<SuggestionItem>(
    'suggestions',
    () => new SuggestionEntry(this.act),
  );

  override render(): void {
    super.render();
    this.el.classList.add('jupyter-widgets', 'lr-widget-legend');
    keepKeys(this.el);
    this.curves.node.classList.add('lr-widget-curves');
    this.suggestions.node.classList.add('lr-widget-suggestions');
    this.el.append(this.curves.node, this.suggestions.node);
    this.listenTo(this.model, 'change:curves change:suggestions', this.show);
    this.show();
  }

  private show(): void {
    const curves: CurveItem[] = this.model.get('curves');
    const suggestions: SuggestionItem[] = this.model.get('suggestions');
    this.curves.show(curves);
    this.suggestions.show(suggestions);
    // A single curve needs no name, unless it is hidden: then there is a way back.
    this.curves.node.hidden = curves.length < 2 && !curves.some(({ hidden }) => hidden);
    this.suggestions.node.hidden = suggestions.length === 0;
    this.el.hidden = this.curves.node.hidden && this.suggestions.node.hidden;
  }

  private named(name: string): boolean {
    return this.model.get('curves').some((item: CurveItem) => item.name === name);
  }
}
