import type { Episodes } from '../transitions.js';

export interface FrameOptions {
  /** Size of frames; default: the longer side 32, the other in proportion. */
  readonly resize?: { readonly width: number; readonly height: number } | undefined;
  /** Frames in colour; default grey. */
  readonly color?: boolean | undefined;
}

/** The longer side of frames unless told otherwise: what a linear model can be fitted to. */
export const DEFAULT_SIDE = 32;

/** Width and height of frames as they are read. A picture is never made larger unless that is asked for. */
export function frameSizeOf(width: number, height: number, { resize }: FrameOptions) {
  if (resize) return resize;
  const scale = Math.min(1, DEFAULT_SIDE / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** Luma of ITU-R BT.601, as video players and Pillow have it. */
const LUMA = [0.299, 0.587, 0.114] as const;

/**
 * Pictures of bytes, (rows, H, W), (rows, H, W, C) or (rows, C, H, W), as small ones, grey unless in colour: each pixel is
 * the mean of the area that it covers.
 */
export function shrink(
  values: Uint8Array,
  rows: number,
  shape: readonly number[],
  options: FrameOptions,
): { values: Uint8Array; dim: number; image: NonNullable<Episodes['image']> } {
  const [a, b, c = 1] = shape;
  const first = shape.length === 3 && a <= 4 && c > 4;
  const [height, width, channels] = first ? [b, c, a] : [a, b, c];
  const step = first ? { y: width, x: 1, c: width * height } : { y: width * channels, x: channels, c: 1 };
  const kept = options.color && channels >= 3 ? 3 : 1;
  const size = frameSizeOf(width, height, options);
  const dim = size.width * size.height * kept;
  const out = new Uint8Array(rows * dim);
  const across = areas(width, size.width);
  const down = areas(height, size.height);
  const pixels = width * height * channels;
  for (let row = 0, to = 0; row < rows; row++) {
    for (const y of down)
      for (const x of across)
        for (let k = 0; k < kept; k++, to++) {
          let sum = 0;
          for (const [j, wy] of y)
            for (const [i, wx] of x) {
              const at = row * pixels + j * step.y + i * step.x;
              const grey = kept === 1 && channels >= 3;
              const v = grey
                ? LUMA[0] * values[at] + LUMA[1] * values[at + step.c] + LUMA[2] * values[at + 2 * step.c]
                : values[at + k * step.c];
              sum += wy * wx * v;
            }
          out[to] = Math.round(sum);
        }
  }
  return { values: out, dim, image: { ...size, channels: kept } };
}

/** For each of `to` equal parts of `from` pixels: the pixels in it and their shares, which add up to 1. */
function areas(from: number, to: number): (readonly [pixel: number, share: number])[][] {
  const width = from / to;
  return Array.from({ length: to }, (_, part) => {
    const [begin, end] = [part * width, (part + 1) * width];
    const list: (readonly [number, number])[] = [];
    for (let i = Math.floor(begin); i < Math.min(from, Math.ceil(end - 1e-9)); i++) {
      const share = (Math.min(end, i + 1) - Math.max(begin, i)) / width;
      if (share > 0) list.push([i, share]);
    }
    return list;
  });
}
