/**
 * The decoder of a world (docs/linear-lam.md). The numbers come from the backend, which conditions on what the decoder is free to
 * see, in the reduced basis; here they are put together on the whole observation.
 *
 * The coordinates outside the basis hold noise alone, all of one law and independent of each other and of those inside: one of
 * them, added to the basis as its last coordinate, gives the regressions of all.
 */

import {
  type Backend,
  type Block,
  type ConditionAnswer,
  type ConditionRequest,
  type Control,
  decodedOf,
  type ObjectiveRows,
  RELATIVE_TOLERANCE,
} from '../backend/requests.js';
import { requireOk } from '../backend/status.js';
import {
  addScaled,
  block,
  identity,
  type Matrix,
  matrix,
  minus,
  scale,
  scaleColumns,
  sum,
  transpose,
  vstack,
} from '../linalg/matrix.js';
import type { Prepared } from '../solve/population.js';
import { equations } from '../world/equations.js';

export interface Encoder {
  /** (latentDim, observationDim) each. */
  readonly C: Matrix;
  readonly D: Matrix;
}

export interface Decoder {
  /** (m, observationDim), m the width of what is decoded. */
  readonly A: Matrix;
  /** (m, latentDim); zero where an eigenvalue is. */
  readonly B: Matrix;
  /** (latentDim, observationDim): C of the innovation gauge, z = D o' less what the current observation tells of it. */
  readonly innovationC: Matrix;
}

const O: Block = { terms: [{ variable: 'observation', coefficient: null }], projected: false };
const NEXT: Block = { terms: [{ variable: 'observationNext', coefficient: null }], projected: false };

/** a b, or a b^T. */
type Product = (a: Matrix, b: Matrix, transposeB?: boolean) => Promise<Matrix>;

function productOn(backend: Backend, control: Control): Product {
  return async (a, b, transposeB = false) => {
    const cols = transposeB ? b.rows : b.cols;
    const request = {
      rows: a.rows,
      inner: a.cols,
      cols,
      a: a.data,
      b: b.data,
      transposeA: false,
      transposeB,
    };
    return matrix(a.rows, cols, await backend.multiply(request, control));
  };
}

/** Joint moments of a world in its reduced basis, with one coordinate of the complement where it has one. */
async function momentsOf(prepared: Prepared, extra: number, product: Product) {
  const { world, mixing } = prepared;
  const width = mixing.rows + extra;
  const v = equations({
    ...world,
    spec: { ...world.spec, observationDim: width },
    mixing: vstack([mixing, matrix(extra, mixing.cols)]),
    basis: () => identity(width),
  });
  const loadings = vstack([
    v.observation,
    v.observationNext,
    v.pairObservation,
    v.pairObservationNext,
    v.action,
  ]);
  const moments = await product(loadings, loadings, true);
  const layout = {
    observationDim: width,
    actionDim: v.action.rows,
    observation: 0,
    observationNext: width,
    pairObservation: 2 * width,
    pairObservationNext: 3 * width,
    action: 4 * width,
  };
  return { width: moments.rows, moments: moments.data, layout };
}

/**
 * y without actions, f, and e as the encoder's matrices see it, without P. The noise of an encoder is its own, so that no
 * covariance with y or f has it.
 */
function stacksOf(rows: ObjectiveRows): ObjectiveRows {
  const isNoise = (name: string) => name === 'encoderNoise' || name === 'decoderNoise';
  return {
    ...rows,
    y: decodedOf(rows),
    e: rows.e.map(({ terms }) => ({ terms: terms.filter((t) => !isNoise(t.variable)), projected: false })),
    penalties: [],
  };
}

/** A case in its reduced basis, on which everything below is done. */
interface Reduced {
  readonly rows: ObjectiveRows;
  /** (observationDim, q) */
  readonly basis: Matrix;
  /** 1 where a coordinate of the complement follows those of the basis. */
  readonly extra: number;
  /** What y is seen through: (m, observationDim). */
  readonly projection: Matrix | null;
  readonly request: ConditionRequest;
  readonly product: Product;
  readonly condition: (request: ConditionRequest) => Promise<ConditionAnswer>;
}

async function reduced(prepared: Prepared, backend: Backend, control: Control): Promise<Reduced> {
  const { rows, projection, coefficients } = prepared.objective;
  const basis = prepared.basis();
  const product = productOn(backend, control);
  const seen = projection ? await product(projection, basis) : null;
  const extra = !projection && basis.rows > basis.cols ? 1 : 0;
  const request: ConditionRequest = {
    count: 1,
    ...(await momentsOf(prepared, extra, product)),
    objective: stacksOf(rows),
    coefficients: Float64Array.from(coefficients),
    projection: seen?.data ?? new Float64Array(0),
    projectionDim: seen?.rows ?? 0,
    ridge: 0,
    relativeTolerance: RELATIVE_TOLERANCE,
  };
  const condition = async (r: ConditionRequest) => {
    const answer = await backend.conditionMoments(r, control);
    requireOk(answer.status[0], 'fitLinearLam');
    return answer;
  };
  return { rows, basis, extra, projection, request, product, condition };
}

/** y and z = G e given f, on the whole observation. */
interface Regressed {
  /** (width of y, width of f): y ~ yOnF f; null where nothing is free. */
  readonly yOnF: Matrix | null;
  /** (latents, width of f): z ~ zOnF f; null where it is not asked for. */
  readonly zOnF: Matrix | null;
  /** (width of y, latents): cov(y, z given f). */
  readonly cross: Matrix;
}

async function regressed(on: Reduced, encoder: Encoder): Promise<Regressed> {
  const { rows, basis, extra, projection, request, product } = on;
  const [q, width] = [basis.cols, basis.cols + extra];
  const found = await on.condition(request);
  const [m, ne] = [projection?.rows ?? width, rows.e.length * width];
  const nf = found.yOnF.length / m;
  const cross = matrix(m, ne, found.cross);
  const yOnF = transpose(matrix(nf, m, found.yOnF));
  const eOnF = transpose(matrix(nf, ne, found.eOnF));
  const [inY, inF] = [m - extra, Math.max(nf - extra, 0)];
  const liftRows = async (a: Matrix) => (projection ? a : product(basis, a));
  const lift = async (a: Matrix) => (projection ? a : product(a, basis, true));
  /** What lies outside the basis of the rows of a. */
  const outside = async (a: Matrix, inside: Matrix) => minus(a, await product(inside, basis, true));

  // One map for each block of e: of o', or of o and then o'.
  const maps = rows.e.length === 1 ? [encoder.D] : [encoder.C, encoder.D];
  const inside = await Promise.all(maps.map((map) => product(map, basis)));
  const rests = extra ? await Promise.all(maps.map((map, b) => outside(map, inside[b]))) : [];
  const overBlocks = async (part: (b: number) => Promise<Matrix>) =>
    (await Promise.all(maps.map((_, b) => part(b)))).reduce((all, one) => sum(all, one));

  const yWithZ = await liftRows(
    await overBlocks((b) => product(block(cross, 0, inY, b * width, q), inside[b], true)),
  );
  rests.forEach((rest, b) => {
    addScaled(yWithZ, cross.data[q * ne + b * width + q], transpose(rest));
  });
  if (nf === 0) return { yOnF: null, zOnF: null, cross: yWithZ };

  const onWhole = await lift(await liftRows(block(yOnF, 0, inY, 0, inF)));
  if (extra) addScaled(onWhole, yOnF.data[q * nf + q], await outside(identity(basis.rows), basis));
  if (rows.gauge !== 'encoder') return { yOnF: onWhole, zOnF: null, cross: yWithZ };
  const zOnF = await lift(await overBlocks((b) => product(inside[b], block(eOnF, b * width, q, 0, inF))));
  rests.forEach((rest, b) => {
    addScaled(zOnF, eOnF.data[(b * width + q) * nf + q], rest);
  });
  return { yOnF: onWhole, zOnF, cross: yWithZ };
}

/** -D Gamma, Gamma the regression of o' on o; the sensor noise of o, all that it has outside the basis, tells nothing of o'. */
async function innovationOf(encoder: Encoder, on: Reduced): Promise<Matrix> {
  return onInnovation(encoder, await foretoldOf(on), on.product);
}

async function foretoldOf({ basis, request, condition }: Reduced): Promise<Foretold> {
  const width = request.layout.observationDim;
  const objective = { ...request.objective, y: [NEXT], f: [O], e: [NEXT] };
  const onO = await condition({ ...request, objective });
  return { basis, gamma: block(transpose(matrix(width, width, onO.yOnF)), 0, basis.cols, 0, basis.cols) };
}

async function onInnovation({ D }: Encoder, { basis, gamma }: Foretold, product: Product): Promise<Matrix> {
  return scale(-1, await product(await product(await product(D, basis), gamma), basis, true));
}

/** Gamma, what o tells of o' in a world, in the basis of that world. */
export interface Foretold {
  readonly basis: Matrix;
  readonly gamma: Matrix;
}

/** Of a prepared case's world. */
export async function foretold(prepared: Prepared, backend: Backend, control: Control): Promise<Foretold> {
  return foretoldOf(await reduced(prepared, backend, control));
}

/** C of the innovation gauge for any encoder: -D Gamma. */
export function innovationC(
  encoder: Encoder,
  on: Foretold,
  backend: Backend,
  control: Control,
): Promise<Matrix> {
  return onInnovation(encoder, on, productOn(backend, control));
}

/**
 * The decoder that goes with the encoder of a prepared case; `lambda` are the eigenvalues that its latents stand for. A
 * representation decodes P o' itself.
 */
export async function populationDecoder(
  prepared: Prepared,
  encoder: Encoder,
  lambda: Float64Array,
  backend: Backend,
  control: Control,
): Promise<Decoder> {
  const on = await reduced(prepared, backend, control);
  const { rows, projection, product } = on;
  const { yOnF, zOnF, cross } = await regressed(on, encoder);
  const B = scaleColumns(
    cross,
    lambda.map((value) => (value > 0 ? 1 / value : 0)),
  );
  const innovationC = rows.gauge === 'innovation' ? encoder.C : await innovationOf(encoder, on);
  // The target is o' - o and nothing is free: o' = o + B z.
  if (!yOnF) return { A: projection ?? identity(encoder.D.cols), B, innovationC };
  // As solved, z = G e still holds what f tells of it; in the innovation gauge it does not.
  if (zOnF) addScaled(yOnF, -1, await product(B, zOnF));
  return { A: projection ? await product(yOnF, projection) : yOnF, B, innovationC };
}
