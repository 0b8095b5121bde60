import { answerHdf5, type Hdf5Request } from './hdf5-read.js';
import { answerParquet, type ParquetRequest } from './parquet-read.js';
import { answerZarr, type ZarrRequest } from './zarr-read.js';

/** What the process that parses files can be asked. */
export type FileRequest = ParquetRequest | Hdf5Request | ZarrRequest;

const isHdf5 = (request: FileRequest): request is Hdf5Request =>
  request.kind === 'tree' || request.kind === 'datasets';
const isZarr = (request: FileRequest): request is ZarrRequest => request.kind.startsWith('zarr-');

export function answer(request: FileRequest): Promise<unknown> {
  if (isHdf5(request)) return answerHdf5(request);
  return isZarr(request) ? answerZarr(request) : answerParquet(request);
}

/** The format's name, for messages. */
export function formatOf(request: FileRequest): string {
  if (isHdf5(request)) return 'HDF5';
  return isZarr(request) ? 'zarr' : 'Parquet';
}

/** A request, and what it may take. */
export interface FileOrder {
  readonly request: FileRequest;
  /** Processor time, which other work on the machine does not shorten. */
  readonly seconds: number;
  /** Memory beside what the process has when it starts on the request. */
  readonly bytes: number;
}

export type FileAnswer =
  | { readonly answer: unknown }
  | {
      readonly error: {
        readonly kind: string | undefined;
        readonly code: string | undefined;
        readonly message: string;
      };
    };

/** How the process ends where a request takes too much: by a signal each, which is all that reaches the one that asked. */
export const TOO_LONG = 'SIGALRM';
export const TOO_MUCH = 'SIGTERM';

/** Its exit code where a library in WebAssembly came upon a fault of its own. */
export const LIBRARY_FAILED = 70;
