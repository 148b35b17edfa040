/// Keeps keys that are pressed inside `root` from the shortcuts of the notebook.
///
/// Jupyter Notebook looks for shortcuts before an event gets here, so that stopping it
/// is too late; and it finds one at the element with the focus before it sees a mark
/// further up. So each element is marked when it gets the focus.
export function keepKeys(root: HTMLElement): void {
  root.dataset['lmSuppressShortcuts'] = 'true';
  root.addEventListener('focusin', ({ target }) => {
    if (target instanceof HTMLElement) target.dataset['lmSuppressShortcuts'] = 'true';
  });
  root.addEventListener('keydown', (event) => event.stopPropagation());
}
