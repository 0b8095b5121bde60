import { createRequire } from 'node:module';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { isPixelFormat, type Picture, pixelsOf } from './pixels.js';
import type { DecoderOrder } from './without-ffmpeg.js';

/**
 * The program that stands in for ffmpeg where there is none: decodes a video, or pictures on its standard input, by the packages
 * @napi-rs/webcodecs, mediabunny and fast-png, and writes frames to its standard output as ffmpeg does.
 */

/** What is used of @napi-rs/webcodecs, which has WebCodecs' names; its types are not at hand where it is not installed. */
interface Codecs {
  readonly VideoDecoder: new (handlers: {
    output(frame: Frame): void;
    error(error: Error): void;
  }) => {
    readonly decodeQueueSize: number;
    configure(config: object): void;
    decode(chunk: object): void;
    flush(): Promise<void>;
  };
  readonly EncodedVideoChunk: new (chunk: object) => object;
  readonly ImageDecoder: new (image: {
    data: Uint8Array;
    type: string;
  }) => { decode(): Promise<{ readonly image: Frame }>; close(): void };
}

interface Frame {
  readonly format: string | null;
  readonly timestamp: number;
  readonly displayWidth: number;
  readonly displayHeight: number;
  readonly visibleRect: { readonly width: number; readonly height: number } | null;
  readonly colorSpace: { readonly fullRange: boolean | null; readonly matrix: string | null };
  allocationSize(): number;
  copyTo(into: Uint8Array): Promise<{ readonly offset: number; readonly stride: number }[]>;
  close(): void;
}

const IMAGES: Readonly<Record<string, string>> = {
  mjpeg: 'image/jpeg',
  bmp: 'image/bmp',
  webp: 'image/webp',
  tiff: 'image/tiff',
};
/** Packets that a decoder may have in hand: enough for its threads, and few frames in memory. */
const IN_HAND = 16;

const order = JSON.parse(process.argv.at(-1) as string) as DecoderOrder;

/** A package of the program's own installation, or of the folder in which the user works. */
async function packageNamed<T>(name: string): Promise<T> {
  const load = (globalThis as { importLibrary?: (name: string) => Promise<unknown> }).importLibrary;
  try {
    return (await (load ? load(name) : import(name))) as T;
  } catch {
    const require = createRequire(pathToFileURL(join(process.cwd(), 'package.json')));
    return (await import(pathToFileURL(require.resolve(name)).href)) as T;
  }
}

async function write(bytes: Uint8Array | string): Promise<void> {
  if (!process.stdout.write(bytes)) await new Promise((resolve) => process.stdout.once('drain', resolve));
}

/** Writes a frame as asked for; true where no more are wanted. */
async function emit(frame: Frame): Promise<boolean> {
  const { width, height } = frame.visibleRect ?? { width: frame.displayWidth, height: frame.displayHeight };
  if (!order.size) {
    await write(`P5\n${width} ${height}\n255\n`);
    return true;
  }
  const format = String(frame.format);
  if (!isPixelFormat(format)) throw new Error(`frames of pixel format ${format} need ffmpeg`);
  const data = new Uint8Array(frame.allocationSize());
  const layout = await frame.copyTo(data);
  const { fullRange, matrix } = frame.colorSpace ?? {};
  const range = { fullRange: fullRange === true, bt709: String(matrix) === 'bt709' };
  await write(pixelsOf({ format, width, height, data, layout, ...range }, order.size));
  return false;
}

/** The same of a PNG, by a library of its own: it may have 16 bits, grey alone, or a palette. */
async function emitPng(bytes: Uint8Array): Promise<boolean> {
  const { convertIndexedToRgb, decode } = await packageNamed<typeof import('fast-png')>('fast-png');
  const png = decode(bytes);
  const { width, height, depth, channels, palette } = png;
  if (!order.size) {
    await write(`P5\n${width} ${height}\n255\n`);
    return true;
  }
  if (!palette && depth < 8) throw new Error(`a PNG of ${depth} bits needs ffmpeg`);
  const data = palette ? convertIndexedToRgb(png) : png.data;
  const values = palette ? (palette[0] as number[]).length : channels;
  const deep = !palette && depth === 16;
  const format = ['', 'GREY', 'GREYA', 'RGB', 'RGBA'][values] as string;
  const picture: Picture = {
    ...{ format: deep ? `${format}P16` : format, width, height, fullRange: true, bt709: false },
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    layout: [{ offset: 0, stride: width * values * (deep ? 2 : 1) }],
  };
  await write(pixelsOf(picture, order.size));
  return false;
}

async function video(path: string): Promise<void> {
  const { VideoDecoder, EncodedVideoChunk } = await packageNamed<Codecs>('@napi-rs/webcodecs');
  const { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } =
    await packageNamed<typeof import('mediabunny')>('mediabunny');
  const track = await new Input({
    source: new FilePathSource(path),
    formats: ALL_FORMATS,
  }).getPrimaryVideoTrack();
  const config = await track?.getDecoderConfig();
  if (!track || !config) throw new Error('no video stream that can be decoded');
  const ready: Frame[] = [];
  let failed: Error | undefined;
  const decoder = new VideoDecoder({
    output: (frame) => ready.push(frame),
    error: (error) => {
      failed = error;
    },
  });
  decoder.configure(config);
  /** Frames before the start of the presentation are there to decode the others by. */
  const drain = async (): Promise<boolean> => {
    if (failed) throw failed;
    for (let frame = ready.shift(); frame; frame = ready.shift()) {
      const enough = frame.timestamp >= 0 && (await emit(frame));
      frame.close();
      if (enough) return true;
    }
    return false;
  };
  for await (const packet of new EncodedPacketSink(track).packets()) {
    const { type, data, microsecondTimestamp: timestamp, microsecondDuration: duration } = packet;
    decoder.decode(new EncodedVideoChunk({ type, timestamp, duration, data }));
    while (decoder.decodeQueueSize > IN_HAND && !failed) {
      if (await drain()) return;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    if (await drain()) return;
  }
  await decoder.flush();
  await drain();
}

/** Pictures follow each other on standard input, each after its length in four bytes. */
async function pictures(format: string): Promise<void> {
  const all = await buffer(process.stdin);
  for (let at = 0; at + 4 <= all.length; ) {
    const length = all.readUInt32LE(at);
    const data = new Uint8Array(all.subarray(at + 4, at + 4 + length));
    at += 4 + length;
    if (await (format === 'png' ? emitPng(data) : emitImage(data, IMAGES[format] as string))) return;
  }
}

async function emitImage(data: Uint8Array, type: string): Promise<boolean> {
  const { ImageDecoder } = await packageNamed<Codecs>('@napi-rs/webcodecs');
  const decoder = new ImageDecoder({ data, type });
  const { image } = await decoder.decode();
  const enough = await emit(image);
  image.close();
  decoder.close();
  return enough;
}

process.stdout.on('error', () => process.exit(0));
try {
  await ('path' in order ? video(order.path) : pictures(order.format));
  process.exitCode = 0;
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
// A codec library's threads are no reason to stay; what was written is waited for.
process.stdout.write('', () => process.exit());
