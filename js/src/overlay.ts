import type { Pixel } from './box';
import { beside } from './placement';

const SVG = 'http://www.w3.org/2000/svg';
const LABEL_Y = 14;
// The figure's toolbar appears in the top right corner: there the label is lower.
const TOOLBAR = { width: 120, bottom: 34 };
// Below the pick's label, so that the two never overlap.
const READOUT_TOP = 54;
const READOUT_BOTTOM = 8;
// Where text cannot be measured (a hidden tab), about the width of a digit.
const CHARACTER = 7;

export interface Size {
  readonly width: number;
  readonly height: number;
}

/// What the picker draws over the plot: the crosshair and the pick.
/// It lies beside the rect that takes the pointer, and takes no pointer itself.
export class Overlay {
  readonly node = element('g', 'lr-widget-overlay');
  private readonly pick = this.node.appendChild(element('g', 'lr-widget-pick'));
  private readonly pickHalo = this.pick.appendChild(element('line', 'lr-widget-halo'));
  private readonly pickLine = this.pick.appendChild(element('line', 'lr-widget-line'));
  private readonly pickLabel = this.pick.appendChild(element('text', 'lr-widget-text'));
  private readonly hover = this.node.appendChild(element('g', 'lr-widget-hover'));
  private readonly hoverLine = this.hover.appendChild(
    element('line', 'lr-widget-line'),
  );
  private readonly dot = this.hover.appendChild(element('circle', 'lr-widget-dot'));
  private readonly hoverText = this.hover.appendChild(
    element('text', 'lr-widget-text'),
  );

  constructor() {
    this.dot.setAttribute('r', '4');
    this.hidePick();
    this.hideHover();
  }

  showPick(x: number, text: string, size: Size): void {
    this.pick.removeAttribute('display');
    upright(this.pickHalo, x, size.height);
    upright(this.pickLine, x, size.height);
    const end = write(this.pickLabel, { x, y: LABEL_Y }, text, size.width);
    const under = end > size.width - TOOLBAR.width;
    if (under) place(this.pickLabel, { y: TOOLBAR.bottom });
  }

  hidePick(): void {
    this.pick.setAttribute('display', 'none');
  }

  showHover(pointer: Pixel, dot: Pixel | null, text: string, size: Size): void {
    this.hover.removeAttribute('display');
    upright(this.hoverLine, pointer.x, size.height);
    this.dot.setAttribute('display', dot ? 'inline' : 'none');
    if (dot) place(this.dot, { cx: dot.x, cy: dot.y });
    const lowest = Math.max(READOUT_TOP, size.height - READOUT_BOTTOM);
    const y = Math.min(Math.max(pointer.y - 10, READOUT_TOP), lowest);
    write(this.hoverText, { x: pointer.x, y }, text, size.width);
  }

  hideHover(): void {
    this.hover.setAttribute('display', 'none');
  }

  remove(): void {
    this.node.remove();
  }
}

function element<K extends keyof SVGElementTagNameMap>(
  tag: K,
  className: string,
): SVGElementTagNameMap[K] {
  const node = document.createElementNS(SVG, tag);
  node.classList.add(className);
  return node;
}

function place(node: SVGElement, attributes: Record<string, number | string>): void {
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, String(value));
  }
}

function upright(line: SVGLineElement, x: number, height: number): void {
  place(line, { x1: x, x2: x, y1: 0, y2: height });
}

/// Writes the text beside `at` and returns where it ends on the right.
function write(node: SVGTextElement, at: Pixel, text: string, width: number): number {
  node.textContent = text;
  const length = node.getComputedTextLength?.() || text.length * CHARACTER;
  const { x, anchor } = beside(at.x, length, width);
  place(node, { x, y: at.y, 'text-anchor': anchor });
  return anchor === 'start' ? x + length : x;
}
