// Pixels of the picture for each of the SVG's, so that it is sharp in print.
const SHARPNESS = 2;

// Milliseconds for which a file stays in memory.
const KEPT = 60_000;

const TYPES = { svg: 'image/svg+xml', csv: 'text/csv' };

export type Format = 'png' | 'svg' | 'csv';

export const FORMATS: readonly Format[] = ['png', 'svg', 'csv'];

/// Lets the browser save the text as a file; as PNG what the text is an SVG of.
export async function save(
  format: Format,
  filename: string,
  text: string,
): Promise<void> {
  const blob =
    format === 'png'
      ? await pixels(text)
      : new Blob([text], { type: `${TYPES[format]};charset=utf-8` });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = filename;
  // Firefox follows only a link that is in the page.
  document.body.append(link);
  link.click();
  link.remove();
  // Some browsers read the blob only a while after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT);
}

async function pixels(svg: string): Promise<Blob> {
  const image = await load(
    `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`,
  );
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth * SHARPNESS;
  canvas.height = image.naturalHeight * SHARPNESS;
  const context = canvas.getContext('2d');
  context?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      if (blob) resolve(blob);
      else reject(new Error('This browser cannot draw the PNG: try SVG.'));
    }, 'image/png');
  });
}

function load(url: string): Promise<HTMLImageElement> {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error('The picture cannot be read: try SVG.'));
    image.src = url;
  });
}
