// The few things of bqplot that the picker touches. npm has no bqplot that is new
// enough, so the types are stated here; the code comes from bqplot's own extension.

declare module 'bqplot' {
  import type { WidgetModel, WidgetView } from '@jupyter-widgets/base';

  export interface Scale extends WidgetView {
    scale: {
      (value: number): number;
      invert(pixel: number): number;
      domain(): number[];
    };
    setRange(range: [number, number]): void;
  }

  export interface Figure extends WidgetView {
    readonly plotareaWidth: number;
    readonly plotareaHeight: number;
    readonly fig_marks: { node(): SVGGElement };
    readonly interaction: { node(): SVGGElement };
    padded_range(direction: 'x' | 'y', scale: WidgetModel): [number, number];
  }

  export class Interaction extends WidgetView {
    parent: Figure;
    relayout(): void;
  }
}
