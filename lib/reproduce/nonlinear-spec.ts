import type { MlpWorldSpec } from '../world/nonlinear.js';
import type { SpriteWorldSpec } from '../world/sprites.js';

/** What decides the numbers of C4. */
export interface NonlinearSpec {
  readonly worlds: readonly {
    readonly name: string;
    readonly spec: Omit<MlpWorldSpec, 'seed'> | Omit<SpriteWorldSpec, 'seed'>;
    readonly latentDim: number;
    readonly steps: number;
  }[];
  /** Worlds of each kind, with models of their own: seed, seed + 1, ... */
  readonly seeds: number;
  /** Hidden layers of encoder and decoder. */
  readonly hidden: readonly number[];
  readonly batchSize: number;
  readonly learningRate: number;
  /** Of action supervision and of the exogenous-robust penalty. */
  readonly weight: number;
  readonly penalty: number;
  /** Fresh samples that a model is judged on, and what stands for o there. */
  readonly rows: number;
  readonly components: number;
  /** Random Fourier features of each nonlinear probe. */
  readonly features: number;
  /** Codebooks in the sprite world, and the dimension of the latents that they quantise. */
  readonly codebooks: readonly number[];
  readonly codebookDim: number;
}

export function nonlinearSpec(quick: boolean): NonlinearSpec {
  const pick = <T>(few: T, many: T): T => (quick ? few : many);
  return {
    worlds: [
      { name: 'mlp', spec: { kind: 'mlp' }, latentDim: 2, steps: pick(400, 4000) },
      { name: 'sprites', spec: { kind: 'sprites' }, latentDim: 2, steps: pick(300, 3000) },
    ],
    seeds: pick(3, 5),
    hidden: [128],
    batchSize: 128,
    learningRate: 1e-3,
    weight: 10,
    penalty: 1,
    rows: pick(1024, 4096),
    components: 32,
    features: pick(32, 128),
    codebooks: pick([16], [8, 16, 32, 64]),
    codebookDim: 8,
  };
}
