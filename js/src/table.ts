import { DOMWidgetModel, DOMWidgetView } from '@jupyter-widgets/base';
import { keepKeys } from './shortcuts';
import { NAME, VERSION } from './version';

export class EpochTableModel extends DOMWidgetModel {
  override defaults() {
    return {
      ...super.defaults(),
      _model_name: 'EpochTableModel',
      _model_module: NAME,
      _model_module_version: `^${VERSION}`,
      _view_name: 'EpochTableView',
      _view_module: NAME,
      _view_module_version: `^${VERSION}`,
      caption: '',
      columns: [],
      rows: [],
      note: '',
    };
  }
}

/// A table in a box that scrolls. The box stays and its rows change: whoever has
/// scrolled up or has the focus in it is not thrown out by the next epoch.
export class EpochTableView extends DOMWidgetView {
  private readonly note = document.createElement('p');
  private readonly box = document.createElement('section');
  private readonly caption = document.createElement('caption');
  private readonly head = document.createElement('thead');
  private readonly body = document.createElement('tbody');

  override render(): void {
    super.render();
    this.build();
    this.listenTo(this.model, 'change:caption change:note', this.showTexts);
    this.listenTo(this.model, 'change:columns', this.showColumns);
    this.listenTo(this.model, 'change:rows', this.showRows);
    this.showTexts();
    this.showColumns();
    this.showRows();
    this.displayed.then(() => this.scrollToEnd());
  }

  private showTexts(): void {
    const caption: string = this.model.get('caption');
    this.caption.textContent = caption;
    this.box.setAttribute('aria-label', caption);
    this.note.textContent = this.model.get('note');
    this.note.hidden = !this.model.get('note');
  }

  private showColumns(): void {
    const columns: string[] = this.model.get('columns');
    this.head.replaceChildren(row(columns.map((name) => cell('th', name))));
    for (const header of this.head.querySelectorAll('th')) header.scope = 'col';
  }

  private showRows(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    const atEnd = scrollHeight - scrollTop - clientHeight < 4;
    const rows: string[][] = this.model.get('rows');
    this.body.replaceChildren(
      ...rows.map((texts) => row(texts.map((text) => cell('td', text)))),
    );
    if (atEnd) this.scrollToEnd();
  }

  private scrollToEnd(): void {
    this.box.scrollTop = this.box.scrollHeight;
  }

  private build(): void {
    this.el.classList.add('jupyter-widgets', 'lr-widget-epochs');
    this.note.classList.add('lr-widget-quiet');
    this.box.classList.add('lr-widget-box');
    this.box.tabIndex = 0; // or keys could not scroll it
    keepKeys(this.box);
    const table = document.createElement('table');
    table.append(this.caption, this.head, this.body);
    this.box.append(table);
    this.el.append(this.note, this.box);
  }
}

function cell(tag: 'th' | 'td', text: string): HTMLTableCellElement {
  const node = document.createElement(tag);
  node.textContent = text;
  return node;
}

function row(cells: HTMLTableCellElement[]): HTMLTableRowElement {
  const node = document.createElement('tr');
  node.append(...cells);
  return node;
}
