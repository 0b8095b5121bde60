import { ExolamError } from '../base/errors.js';
import type { TensorFile } from './safetensors.js';

export function writeTensors(path: string, _file: TensorFile): Promise<void> {
  return Promise.reject(noFiles(path, 'toBytes'));
}

export function readTensors(path: string, _limit: number): Promise<TensorFile> {
  return Promise.reject(noFiles(path, 'fromBytes'));
}

function noFiles(path: string, instead: string): ExolamError {
  return new ExolamError('unsupported', `${path}: there are no files in a browser; use LinearLam.${instead}`);
}
