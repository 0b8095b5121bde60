import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ownProgram } from '../../base/own-program.js';
import type { FrameSize, Pictures, Source } from './source.js';

/** What a decoding program of ours is asked: frames of a size, or, where it is null, what size the first one has. */
export type DecoderOrder = ({ readonly path: string } | { readonly format: string }) & {
  readonly size: FrameSize | null;
};

/** What decodes where there is no ffmpeg: prebuilt codecs, what finds them their packets, and PNG in all its depths. */
export const DECODER_PACKAGES = ['@napi-rs/webcodecs', 'mediabunny', 'fast-png'] as const;

/** Are they installed, beside exolam or in the folder in which its user works? */
export function hasDecoderPackages(): boolean {
  const places = [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json')).href];
  return DECODER_PACKAGES.every((name) =>
    places.some((place) => {
      try {
        createRequire(place).resolve(name);
        return true;
      } catch {
        return false;
      }
    }),
  );
}

/** What Node is started with to decode a source; undefined where that cannot be. */
export function decoderArguments(source: Source, size: FrameSize | null): string[] | undefined {
  const program = hasDecoderPackages() ? ownProgram(import.meta.url, 'frame-decoder') : undefined;
  const order: DecoderOrder =
    'list' in source ? { format: source.format, size } : { path: source.path, size };
  return program && [...program, JSON.stringify(order)];
}

/** Each picture after its length: not every format ends where it says. */
export function* framedPictures({ list }: Pictures): Generator<Uint8Array> {
  for (const bytes of list) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    yield length;
    yield bytes;
  }
}
