import { answerHdf5, type Hdf5Request } from './hdf5-read.js';
import { answerParquet, type ParquetRequest } from './parquet-read.js';

/** What the worker that parses files can be asked. */
export type FileRequest = ParquetRequest | Hdf5Request;

const isHdf5 = (request: FileRequest): request is Hdf5Request =>
  request.kind === 'tree' || request.kind === 'datasets';

export function answer(request: FileRequest): Promise<unknown> {
  return isHdf5(request) ? answerHdf5(request) : answerParquet(request);
}

/** The format's name, for messages. */
export function formatOf(request: FileRequest): string {
  return isHdf5(request) ? 'HDF5' : 'Parquet';
}
