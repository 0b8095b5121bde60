import { multiply } from '../../linalg/dense.js';
import { type Matrix, matrix } from '../../linalg/matrix.js';
import type { Block, ObjectiveRows, Term } from '../requests.js';

/** Reading an objective: theory.md section 3 as blocks of terms. */
export type Stack = readonly Block[];

/** The coefficients of one problem: column c of a (columns, count) request. */
export function coefficientsOf(coefficients: Float64Array, count: number, problem: number): Float64Array {
  const values = new Float64Array(coefficients.length / count);
  for (let c = 0; c < values.length; c++) values[c] = coefficients[c * count + problem];
  return values;
}

export function factorOf(term: Term, coefficients: Float64Array): number {
  const size = term.coefficient === null ? 1 : coefficients[term.coefficient];
  return term.negative ? -size : size;
}

export function isNoise(term: Term): boolean {
  return term.variable === 'encoderNoise' || term.variable === 'decoderNoise';
}

/** A block of actions, which no projection sees and which no sensor adds to. */
export function isAction(block: Block): boolean {
  return block.terms.some((t) => t.variable === 'action');
}

export function isProjected(block: Block): boolean {
  return block.projected && !isAction(block);
}

/** Widths of what blocks are made of. */
export interface Widths {
  readonly observation: number;
  readonly action: number;
  readonly projection: number;
}

export function blockWidth(block: Block, w: Widths): number {
  if (isAction(block)) return w.action;
  return isProjected(block) ? w.projection : w.observation;
}

export function stackWidth(stack: Stack, w: Widths): number {
  return stack.reduce((sum, block) => sum + blockWidth(block, w), 0);
}

export function mentions(rows: ObjectiveRows, has: (term: Term) => boolean): boolean {
  const blocks = [...rows.y, ...rows.f, ...rows.e, ...rows.penalties.flatMap((p) => [...p.of, ...p.given])];
  return blocks.some((b) => b.terms.some(has));
}

function sameTerm(a: Term, b: Term): boolean {
  return a.variable === b.variable && a.coefficient === b.coefficient && !a.negative === !b.negative;
}

export function sameStack(a: Stack, b: Stack): boolean {
  return (
    a.length === b.length &&
    a.every((block, i) => {
      const other = b[i];
      return (
        isProjected(block) === isProjected(other) &&
        block.terms.length === other.terms.length &&
        block.terms.every((t, j) => sameTerm(t, other.terms[j]))
      );
    })
  );
}

/** y = e without a penalty: the problem is a plain eigenproblem of S_ee. */
export function reconstructs(rows: ObjectiveRows): boolean {
  return rows.penalties.length === 0 && sameStack(rows.y, rows.e);
}

/** z = C o + D o'. */
export interface Encoder {
  readonly c: Matrix;
  readonly d: Matrix;
}

/**
 * Adds sign x `weights` (latents, width of the stack) to an encoder: what they take from o goes to C, from o' to D.
 * Augmentation noise is left out; views that an encoder never sees have no place in z.
 */
export function addToEncoder(
  to: Encoder,
  sign: number,
  weights: Matrix,
  stack: Stack,
  widths: Widths,
  coefficients: Float64Array,
  projection: Matrix,
): void {
  let begin = 0;
  for (const block of stack) {
    const width = blockWidth(block, widths);
    if (!isAction(block)) {
      let part = matrix(weights.rows, width);
      for (let i = 0; i < weights.rows; i++)
        for (let j = 0; j < width; j++) part.data[i * width + j] = weights.data[i * weights.cols + begin + j];
      if (isProjected(block)) part = multiply(part, projection);
      for (const term of block.terms) {
        if (term.variable !== 'observation' && term.variable !== 'observationNext') continue;
        const target = term.variable === 'observation' ? to.c.data : to.d.data;
        const factor = sign * factorOf(term, coefficients);
        for (let i = 0; i < target.length; i++) target[i] += factor * part.data[i];
      }
    }
    begin += width;
  }
}
