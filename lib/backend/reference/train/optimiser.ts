import { learningRateAt, type TrainOptimiser } from '../../train-requests.js';

/** Arrays that a step changes. */
export interface Moving {
  readonly parameters: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
}

/** The step after `step` steps, on the parameters below `count`. Arithmetic in f64, states rounded to f32. */
export function update(
  o: TrainOptimiser,
  step: number,
  gradient: Float64Array,
  m: Moving,
  count: number,
): void {
  const rate = learningRateAt(o, step);
  const { parameters: p, first, second } = m;
  if (o.kind === 'sgd') {
    for (let i = 0; i < count; i++) {
      const g = gradient[i] + o.weightDecay * p[i];
      first[i] = o.momentum * first[i] + g;
      p[i] -= rate * first[i];
    }
    return;
  }
  // As PyTorch: bias corrections on both moments, epsilon beside the corrected root.
  const correct1 = 1 - o.beta1 ** (step + 1);
  const correct2 = Math.sqrt(1 - o.beta2 ** (step + 1));
  for (let i = 0; i < count; i++) {
    const g = gradient[i] + (o.kind === 'adam' ? o.weightDecay * p[i] : 0);
    first[i] = o.beta1 * first[i] + (1 - o.beta1) * g;
    second[i] = o.beta2 * second[i] + (1 - o.beta2) * g * g;
    const kept = o.kind === 'adamw' ? p[i] * (1 - rate * o.weightDecay) : p[i];
    p[i] = kept - ((rate / correct1) * first[i]) / (Math.sqrt(second[i]) / correct2 + o.epsilon);
  }
}
