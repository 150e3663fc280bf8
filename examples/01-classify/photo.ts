/** Binary PPM photographs: reading, showing in a terminal, and turning into what the network expects. */
import { readFileSync } from 'node:fs';

export interface Photo {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue for each pixel, row by row. */
  readonly rgb: Uint8Array;
}

export function readPhoto(path: string | URL): Photo {
  const bytes = readFileSync(path);
  const header = /^P6\s(\d+)\s(\d+)\s255\s/.exec(bytes.subarray(0, 32).toString('latin1'));
  if (!header) throw new Error(`${path} is not a binary PPM with 8 bits a channel`);
  const [width, height] = [Number(header[1]), Number(header[2])];
  const rgb = bytes.subarray(header[0].length);
  if (rgb.length !== width * height * 3)
    throw new Error(`${path} should have ${width * height * 3} bytes of pixels, but has ${rgb.length}`);
  return { width, height, rgb };
}

const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];

/** f32 [1, 3, H, W]: (pixel/255 − mean) / deviation per colour, the values that ImageNet networks are trained with. */
export function normalized({ width, height, rgb }: Photo): Float32Array {
  const plane = width * height;
  const out = new Float32Array(3 * plane);
  for (let c = 0; c < 3; c++) {
    const [mean, deviation] = [Math.fround(MEAN[c]), Math.fround(DEVIATION[c])];
    for (let i = 0; i < plane; i++)
      out[c * plane + i] = Math.fround(Math.fround(rgb[i * 3 + c] / 255) - mean) / deviation;
  }
  return out;
}

/** The photo in half blocks, `columns` characters wide: two pixels a character, in 24-bit colour. */
export function inTerminal({ width, height, rgb }: Photo, columns: number): string {
  const step = width / columns;
  const colour = (x: number, y: number) => {
    const at = (Math.min(Math.floor(y * step), height - 1) * width + Math.floor(x * step)) * 3;
    return `${rgb[at]};${rgb[at + 1]};${rgb[at + 2]}`;
  };
  const lines: string[] = [];
  for (let y = 0; y < height / step; y += 2) {
    const cells = Array.from({ length: columns }, (_, x) => `\x1b[38;2;${colour(x, y)};48;2;${colour(x, y + 1)}m▀`);
    lines.push(`${cells.join('')}\x1b[0m`);
  }
  return lines.join('\n');
}

/** The photograph as [side, side, 3] bytes; every pixel is the mean of the pixels that it covers, at least one. */
export function shrunk({ width, height, rgb }: Photo, side: number): Uint8Array {
  const small = new Uint8Array(side * side * 3);
  const range = (i: number, size: number) => [Math.floor((i * size) / side), Math.ceil(((i + 1) * size) / side)];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const [top, bottom] = range(y, height);
      const [left, right] = range(x, width);
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let v = top; v < bottom; v++) for (let u = left; u < right; u++) sum += rgb[3 * (v * width + u) + c];
        small[3 * (y * side + x) + c] = Math.round(sum / ((bottom - top) * (right - left)));
      }
    }
  }
  return small;
}
