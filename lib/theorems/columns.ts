import { type Matrix, matrix } from '../matrix.js';

/** Columns `begin` .. `end` of a matrix. */
export function columns(a: Matrix, begin: number, end: number): Matrix {
  const part = matrix(a.rows, end - begin);
  for (let i = 0; i < a.rows; i++)
    part.data.set(a.data.subarray(i * a.cols + begin, i * a.cols + end), i * part.cols);
  return part;
}
