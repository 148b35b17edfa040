import { shows } from './axis';
import type { Pixel } from './box';
import { covers, type Drop, ROW, type Spot, spots } from './placement';
import { isNarrow, type Plot } from './plot';
import { lrText } from './readout';
import { element, lengthOf, place } from './svg';

/// A learning rate that a rule suggests, and the height of the curve there.
export interface Suggestion {
  readonly name: string;
  readonly lr: number;
  readonly y: number;
  readonly color: string;
  readonly reason: string;
  /// Why it should not be trusted; empty where it can be.
  readonly doubt: string;
  /// What the suggestion is a tenth of.
  readonly origin: { readonly lr: number; readonly y: number } | null;
}

// The suggestion that stands out, and keeps its number wherever there is a label.
const MAIN = 'fall';

interface Marker {
  readonly suggestion: Suggestion;
  readonly dot: Pixel;
  /// Whether the dot lies in the plot; the drop line may without it.
  readonly inside: boolean;
  readonly drop: SVGLineElement;
  spot: Spot | null;
}

/// The suggestions on the curve: a dot, a drop line to the axis, a label beside it.
/// The main one is larger than the others; what is in doubt is hollow and grey.
export class Markers {
  readonly node = element('g', 'lr-widget-markers');
  private markers: Marker[] = [];

  /// Draws them, with no label on what is `taken` already, and tells where labels are.
  show(suggestions: readonly Suggestion[], plot: Plot, taken: readonly Spot[]): Spot[] {
    this.node.replaceChildren();
    this.markers = suggestions
      .filter(({ lr, y }) => shows(plot.x, lr) && Number.isFinite(y))
      .map((suggestion) => mark(suggestion, plot))
      // What is below the plot has no line in it that could lead to a label.
      .filter(({ dot, inside }) => inside || dot.y < plot.size.height);
    this.node.append(...this.markers.map(({ drop }) => drop));
    const dots = this.markers.map(({ dot }) => dot);
    const joins = this.markers.flatMap((marker) => join(marker, plot, dots) ?? []);
    this.node.append(...joins.map(({ node }) => node));
    // The first suggestion is on top.
    const inside = this.markers.filter((marker) => marker.inside).reverse();
    this.node.append(...inside.map(spotted));
    this.label(plot, [...joins.map(spotOf), ...taken]);
    return this.markers.flatMap(({ spot }) => spot ?? []);
  }

  /// The suggestion whose dot is within `reach` pixels, or whose label is there.
  at(pixel: Pixel, reach: number): Suggestion | null {
    let least = reach;
    let found: Suggestion | null = null;
    for (const { suggestion, dot, inside } of this.markers) {
      const distance = Math.hypot(dot.x - pixel.x, dot.y - pixel.y);
      const nearer = found ? distance < least : distance <= least;
      if (!inside || !nearer) continue;
      least = distance;
      found = suggestion;
    }
    const labelled = this.markers.find(({ spot }) => spot && covers(spot, pixel));
    return found ?? labelled?.suggestion ?? null;
  }

  /// Makes the suggestion under the pointer stand out.
  aim(name: string | null): void {
    for (const node of this.node.querySelectorAll<SVGElement>('[data-name]')) {
      node.classList.toggle('lr-widget-aimed', node.dataset['name'] === name);
    }
  }

  private label(plot: Plot, taken: readonly Spot[]): void {
    const narrow = isNarrow(plot);
    const texts = this.markers.map(({ suggestion }) => text(suggestion, narrow));
    this.node.append(...texts);
    const drops: Drop[] = this.markers.map(({ dot, suggestion }, i) => ({
      ...dot,
      length: lengthOf(texts[i] as SVGTextElement),
      main: suggestion.name === MAIN,
    }));
    for (const [i, spot] of spots(drops, plot.size, taken).entries()) {
      const [marker, words] = [this.markers[i] as Marker, texts[i] as SVGTextElement];
      marker.spot = spot;
      if (!spot) {
        words.remove();
        continue;
      }
      place(words, { x: spot.left, y: spot.y });
      // A label above its dot is led to as well.
      const top = spot.y - ROW / 2;
      if (spot.y + ROW / 2 < marker.dot.y) place(marker.drop, { y1: top });
    }
  }
}

function mark(suggestion: Suggestion, { x, y: axis, size }: Plot): Marker {
  const { lr, y, doubt } = suggestion;
  const height = Math.min(Math.max(axis(y), 0), size.height);
  const dot = { x: x(lr), y: height };
  const drop = element('line', 'lr-widget-drop');
  drop.classList.toggle('lr-widget-doubtful', Boolean(doubt));
  place(drop, { x1: dot.x, x2: dot.x, y1: dot.y, y2: size.height });
  return { suggestion, dot, inside: shows(axis, y), drop, spot: null };
}

function spotted({ suggestion, dot }: Marker): SVGCircleElement {
  const { name, color, doubt } = suggestion;
  const node = named(element('circle', 'lr-widget-suggestion'), suggestion);
  place(node, { cx: dot.x, cy: dot.y, r: name === MAIN ? 7 : 4 });
  // A colour of the kernel's choice goes where it can be nothing but a colour.
  if (!doubt) node.style.fill = color;
  return node;
}

function text(suggestion: Suggestion, narrow: boolean): SVGTextElement {
  const { name, lr } = suggestion;
  const node = named(element('text', 'lr-widget-text'), suggestion);
  node.textContent = narrow && name !== MAIN ? name : `${name} ${lrText(lr)}`;
  return node;
}

/// The node with what its style and the pointer go by.
function named<T extends SVGElement>(node: T, { name, doubt }: Suggestion): T {
  node.dataset['name'] = name;
  node.classList.toggle('lr-widget-main', name === MAIN);
  node.classList.toggle('lr-widget-doubtful', Boolean(doubt));
  return node;
}

interface Join {
  readonly node: SVGGElement;
  readonly by: SVGTextElement;
  /// The middle of the text.
  readonly middle: Pixel;
}

/// The place that the suggestion is a tenth of, a hollow dot, and the way between.
function join(
  { suggestion, dot, inside }: Marker,
  axes: Plot,
  dots: readonly Pixel[],
): Join | null {
  const { origin, lr, doubt } = suggestion;
  if (!origin || !inside) return null;
  if (!shows(axes.x, origin.lr) || !shows(axes.y, origin.y)) return null;
  const [x, y] = [axes.x(origin.lr), axes.y(origin.y)];
  const line = element('line', 'lr-widget-join');
  place(line, { x1: dot.x, y1: dot.y, x2: x, y2: y });
  const hollow = element('circle', 'lr-widget-origin');
  place(hollow, { cx: x, cy: y, r: 4 });
  const by = element('text', 'lr-widget-text');
  by.textContent = `÷${Number((origin.lr / lr).toPrecision(3))}`;
  const middle = between(dot, { x, y }, dots);
  place(by, { ...middle, 'text-anchor': 'middle' });
  const node = element('g', 'lr-widget-tenth');
  node.classList.toggle('lr-widget-doubtful', Boolean(doubt));
  node.append(line, hollow, by);
  return { node, by, middle };
}

/// Where a short text goes above the way from `a` to `b`: in the middle, or nearer to an
/// end if a dot is in the middle.
function between(a: Pixel, b: Pixel, dots: readonly Pixel[]): Pixel {
  const places = [0.5, 0.7, 0.3].map((part) => ({
    x: a.x + part * (b.x - a.x),
    y: a.y + part * (b.y - a.y) - ROW / 2,
  }));
  const clear = places.find(({ x, y }) =>
    dots.every((dot) => Math.abs(dot.x - x) > ROW || Math.abs(dot.y - y) > ROW),
  );
  return clear ?? (places[0] as Pixel);
}

function spotOf({ by, middle: { x, y } }: Join): Spot {
  const half = lengthOf(by) / 2;
  return { left: x - half, right: x + half, y };
}
