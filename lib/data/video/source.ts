/** Frames as numbers, (count, height, width, channels). */
export interface FrameSize {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** Bytes of a number: 1, or 2 (little-endian) where pictures have more than 256 levels. */
  readonly bytes: 1 | 2;
}

/** Encoded pictures, one per frame, all in one format. */
export interface Pictures {
  readonly format: PictureFormat;
  readonly list: readonly Uint8Array[];
}

export type PictureFormat = 'png' | 'mjpeg' | 'tiff' | 'bmp' | 'webp';

/** What is decoded: a file, or pictures. */
export type Source = { readonly path: string } | Pictures;
