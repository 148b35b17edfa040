const SVG = 'http://www.w3.org/2000/svg';
// Where text cannot be measured (a hidden tab), about the width of a digit.
const CHARACTER = 7;

/// A new SVG element of our own class.
export function element<K extends keyof SVGElementTagNameMap>(
  tag: K,
  className: string,
): SVGElementTagNameMap[K] {
  const node = document.createElementNS(SVG, tag);
  node.classList.add(className);
  return node;
}

export function place(
  node: SVGElement,
  attributes: Record<string, number | string>,
): void {
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, String(value));
  }
}

/// Shows the node, or hides it.
export function show(node: SVGElement, shown: boolean): void {
  if (shown) node.removeAttribute('display');
  else node.setAttribute('display', 'none');
}

/// How long a text is on the screen, in pixels.
export function lengthOf(node: SVGTextContentElement): number {
  return node.getComputedTextLength?.() || (node.textContent ?? '').length * CHARACTER;
}
