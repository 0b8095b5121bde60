import { averaged, type Plane } from './area.js';
import type { FrameSize } from './source.js';

/** A decoded picture as a codec library hands it on: its pixel format, and where each of its planes lies in `data`. */
export interface Picture {
  readonly format: string;
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
  readonly layout: readonly { readonly offset: number; readonly stride: number }[];
  /** Luma and chroma fill all levels instead of 16 to 235 and 240. */
  readonly fullRange: boolean;
  /** How luma is made of red and blue: ITU-R BT.709 for what says so, BT.601 for everything else, as ffmpeg has it. */
  readonly bt709: boolean;
}

/** By how much chroma is narrower and lower than luma. */
const CHROMA: Readonly<Record<string, readonly [across: number, down: number]>> = {
  I420: [2, 2],
  NV12: [2, 2],
  I422: [2, 1],
  I444: [1, 1],
};
/** Where in a pixel red, green and blue are, and how many values it has. */
const PACKED: Readonly<Record<string, readonly [red: number, green: number, blue: number, values: number]>> =
  {
    RGBA: [0, 1, 2, 4],
    RGBX: [0, 1, 2, 4],
    BGRA: [2, 1, 0, 4],
    BGRX: [2, 1, 0, 4],
    RGB: [0, 1, 2, 3],
    GREY: [0, 0, 0, 1],
    GREYA: [0, 0, 0, 2],
  };

/** Can pictures of this format be turned into pixels here? */
export const isPixelFormat = (format: string): boolean => {
  const { base } = baseOf(format);
  return base in PACKED || base in CHROMA;
};

/** A picture as pixels of a size, grey or red, green and blue, each the mean of its area; two bytes are 0 to 65535. */
export function pixelsOf(picture: Picture, size: FrameSize): Uint8Array {
  const { width, height, channels, bytes } = size;
  const rgb = baseOf(picture.format).base in PACKED;
  const planes = rgb ? redGreenBlue(picture, width, height) : luma(picture, width, height, channels);
  const most = bytes === 2 ? 65535 : 255;
  const level = (value: number) => Math.max(0, Math.min(most, Math.round((value * most) / 255)));
  const count = width * height * channels;
  const out = bytes === 2 ? new Uint16Array(count) : new Uint8Array(count);
  for (let i = 0; i < width * height; i++) {
    const values = planes.map((plane) => plane[i] as number);
    const [r = 0, g = 0, b = 0] = values;
    if (channels === 1) out[i] = level(rgb ? 0.299 * r + 0.587 * g + 0.114 * b : r);
    else for (const [c, value] of values.entries()) out[channels * i + c] = level(value);
  }
  return new Uint8Array(out.buffer);
}

/** From 0 to 255. */
function redGreenBlue(
  { format, width, height, data, layout }: Picture,
  w: number,
  h: number,
): Float64Array[] {
  const [{ offset, stride }] = layout;
  const { base, bits } = baseOf(format);
  const [red, green, blue, values] = PACKED[base] as (typeof PACKED)[string];
  const bytes = bits > 8 ? 2 : 1;
  const unit = (2 ** bits - 1) / 255;
  const plane = { data, stride, step: values * bytes, bytes, width, height } as const;
  return [red, green, blue].map((at) =>
    averaged({ ...plane, offset: offset + at * bytes }, w, h).map((v) => v / unit),
  );
}

/** `I420P10` is I420 with ten bits a value, `I420A` has a plane of opacity after the others. */
function baseOf(format: string): { readonly base: string; readonly bits: number } {
  const [, whole = format, bits = '8'] = /^(.+?)(?:P(1[026]))?$/.exec(format) ?? [];
  return { base: whole in PACKED ? whole : whole.replace(/A$/, ''), bits: Number(bits) };
}

/** Grey, or red, green and blue, of luma and chroma. Everything here is linear, so means are taken first. */
function luma(picture: Picture, w: number, h: number, channels: number): Float64Array[] {
  const { base, bits } = baseOf(picture.format);
  const unit = 2 ** (bits - 8);
  const bytes = bits > 8 ? 2 : 1;
  const [floor, span, swing] = picture.fullRange ? [0, 255, 255] : [16, 219, 224];
  const [across, down] = CHROMA[base] as readonly [number, number];
  const plane = (index: number, part: Partial<Plane> = {}) => {
    const { offset, stride } = picture.layout[index] as Picture['layout'][number];
    const { data, width, height } = picture;
    return averaged({ data, offset, stride, step: bytes, bytes, width, height, ...part }, w, h);
  };
  const y = plane(0).map((v) => ((v / unit - floor) * 255) / span);
  if (channels === 1) return [y];
  const chroma = { width: Math.ceil(picture.width / across), height: Math.ceil(picture.height / down) };
  const interleaved = base === 'NV12';
  const [blue, red] = [0, 1].map((c) =>
    plane(interleaved ? 1 : 1 + c, {
      ...chroma,
      ...(interleaved ? { step: 2 * bytes, offset: (picture.layout[1]?.offset ?? 0) + c * bytes } : {}),
    }).map((v) => ((v / unit - 128) * 255) / swing),
  ) as [Float64Array, Float64Array];
  const [ofRed, ofBlue] = picture.bt709 ? [0.2126, 0.0722] : [0.299, 0.114];
  const ofGreen = 1 - ofRed - ofBlue;
  const r = y.map((v, i) => v + 2 * (1 - ofRed) * (red[i] as number));
  const b = y.map((v, i) => v + 2 * (1 - ofBlue) * (blue[i] as number));
  const g = y.map((v, i) => (v - ofRed * (r[i] as number) - ofBlue * (b[i] as number)) / ofGreen);
  return [r, g, b];
}
