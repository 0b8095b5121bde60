import type { Backend, Control, SampleAnswer, SampleRequest } from '../lib/backend/requests.js';
import { drawMoments } from '../lib/moments/drawn.js';
import { createWorld, fullMixing, parameterColumn } from '../lib/world/world.js';
import { type Case, call } from './case.js';

/** Numbers of one call: they stay in the caches of a core, as memory would take longer than they do. */
const PIECE = 16384;

export function normals(native: Backend, reference: Backend, precision: 'f64' | 'f32'): Case {
  const through = (backend: Backend) => (count: number) => {
    const size = Math.min(PIECE, count);
    const [f64, f32] = [new Float64Array(size), new Float32Array(size)];
    const draw = (first: number) =>
      precision === 'f64'
        ? backend.normals(1, 2, first, size, f64)
        : backend.normalsF32(1, 2, first, size, f32);
    return call(
      () => {
        for (let first = size; first < count; first += size) draw(first);
        return draw(0);
      },
      (out) => out,
    );
  };
  return {
    name: `normals, ${precision}`,
    unit: 'number',
    bytes: precision === 'f64' ? 8 : 4,
    ...(precision === 'f32' && { tolerance: 1e-6 }),
    contenders: [
      { name: 'native', threads: 1, items: 1 << 20, prepare: through(native) },
      { name: 'reference', threads: 1, items: 1 << 15, prepare: through(reference) },
    ],
  };
}

/** Second moments of many transitions, drawn as a Wishart matrix: the same time whatever their number. */
export function wishart(native: Backend, reference: Backend, transitions: number): Case {
  const dims = { observationDim: 24, endogenousDim: 5, exogenousDim: 4, actionDim: 3 };
  const through = (backend: Backend) => (draws: number) =>
    call(
      () => drawMoments(dims, { transitions, draws, backend, threads: 1 }),
      ({ moments }) => moments,
    );
  const [sources, width] = [16, 2 * dims.observationDim + dims.actionDim + dims.exogenousDim];
  return {
    name: `moments of ${transitions.toExponential().replace('+', '')} transitions, width ${width}`,
    unit: 'draw',
    // loadings T with T triangular, and half of that times its transpose
    operations: width * sources * sources + width * width * sources,
    bytes: 8 * width * width,
    contenders: [
      { name: 'native', threads: 1, items: 1024, prepare: through(native) },
      { name: 'reference', threads: 1, items: 64, prepare: through(reference) },
    ],
  };
}

/** Whole transitions: observations, actions and both states, written to memory once. */
export function transitions(
  native: Backend,
  reference: Backend,
  sensorNoise: number,
  precision: 'f64' | 'f32' = 'f64',
): Case {
  const dims = { observationDim: 128, endogenousDim: 8, exogenousDim: 8, actionDim: 8 };
  const world = createWorld({ ...dims, sensorNoise });
  const request = {
    ...dims,
    first: 0,
    seed: 1,
    parameters: parameterColumn(world),
    mixing: fullMixing(world).data,
    actionEffect: world.actionEffect.data,
    stateFeedback: world.stateFeedback.data,
    exogenousFeedback: world.exogenousFeedback.data,
    pair: false,
  };
  // Into memory that is in use already.
  const through = (backend: Backend) => (count: number) => {
    const again = <Observation extends ArrayLike<number>>(
      sample: (
        asked: SampleRequest,
        control: Control,
        into?: SampleAnswer<Observation>,
      ) => Promise<SampleAnswer<Observation>>,
    ) => {
      let answer: SampleAnswer<Observation> | undefined;
      return call(
        async () => {
          answer = await sample({ ...request, count }, { threads: 1 }, answer);
          return answer;
        },
        ({ observationNext }) => observationNext,
      );
    };
    return precision === 'f32' ? again(backend.sampleF32) : again(backend.sample);
  };
  return {
    name: `transitions, observationDim 128${sensorNoise > 0 ? ', sensor noise' : ''}${precision === 'f32' ? ', f32' : ''}`,
    ...(precision === 'f32' && { tolerance: 1e-5, precision }),
    unit: 'transition',
    operations: 4 * dims.observationDim * (dims.endogenousDim + dims.exogenousDim),
    bytes:
      (precision === 'f32' ? 8 : 16) * dims.observationDim +
      8 * (dims.actionDim + 2 * dims.endogenousDim + 2 * dims.exogenousDim),
    contenders: [
      { name: 'native', threads: 1, items: 16_384, prepare: through(native) },
      { name: 'reference', threads: 1, items: 512, prepare: through(reference) },
    ],
  };
}
