/// One item of a `Roll`: it is shown anew, in place, whenever its item changes.
export interface Entry<T> {
  readonly node: HTMLElement;
  show(item: T): void;
  focus(): void;
}

/// A list whose entries go by name and stay while their item does, so that an update
/// takes the focus from nobody: updates come while a person is in the list.
export class Roll<T extends { readonly name: string }> {
  readonly node = document.createElement('ul');
  private entries = new Map<string, Entry<T>>();

  constructor(
    label: string,
    private readonly make: () => Entry<T>,
  ) {
    this.node.setAttribute('aria-label', label);
    // Safari takes a list without bullets for no list.
    this.node.setAttribute('role', 'list');
  }

  show(items: readonly T[]): void {
    const focused = document.activeElement;
    const kept = this.matched(items);
    const gone = [...this.entries.values()].filter((entry) => !kept.includes(entry));
    const lost = gone.find((entry) => entry.node.contains(focused));
    const place = lost ? [...this.node.children].indexOf(lost.node) : 0;
    for (const entry of gone) entry.node.remove();
    const entries = items.map((_, index) => kept[index] ?? this.make());
    this.entries = new Map(entries.map((e, index) => [items[index]?.name ?? '', e]));
    entries.forEach((entry, index) => {
      const item = items[index];
      if (item) entry.show(item);
      const there = this.node.children[index];
      if (there !== entry.node) this.node.insertBefore(entry.node, there ?? null);
    });
    if (lost) entries[Math.min(place, entries.length - 1)]?.focus();
    // What moves in the page loses the focus.
    else if (this.node.contains(focused)) (focused as HTMLElement).focus();
  }

  /// The entry for each item: by its name, or, when it was renamed, by its place.
  private matched(items: readonly T[]): (Entry<T> | undefined)[] {
    const names = [...this.entries.keys()];
    return items.map(({ name }, index) => {
      const known = this.entries.get(name);
      const before = names[index];
      if (known || before === undefined || names.length !== items.length) return known;
      return items.some((item) => item.name === before)
        ? undefined
        : this.entries.get(before);
    });
  }
}
