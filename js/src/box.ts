export interface Pixel {
  readonly x: number;
  readonly y: number;
}

/// Where on the screen something lies: a `DOMRect` is one.
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/// A place on the screen in the plot's own pixels. Page zoom and CSS scaling
/// change the box on the screen and not the plot's size, hence the ratio.
export function toPlot(
  screen: { readonly clientX: number; readonly clientY: number },
  box: Box,
  plot: { readonly width: number; readonly height: number },
): Pixel {
  return {
    x: ((screen.clientX - box.left) * plot.width) / (box.width || 1),
    y: ((screen.clientY - box.top) * plot.height) / (box.height || 1),
  };
}
