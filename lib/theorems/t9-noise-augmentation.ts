import { type Matrix, sum } from '../linalg/matrix.js';
import { type Solution, solveBatch } from '../solve/population.js';
import { variance } from '../world/equations.js';
import { type Comparison, defineTheorem } from './check.js';
import { anyWorld } from './draw.js';

/** Decoder noise between the two ends. */
const NOISES = [0.03, 0.1, 0.3, 1, 3, 10] as const;
/** Decoder noise that stands for infinity: the remaining way is of order 1 / noise^2. */
const GREAT = 1e4;

/** |C + D|^2 / |D|^2: how far the encoder is from the difference gauge, 0 in it. */
function gaugeError({ encoder }: Solution): number {
  const { C, D } = encoder as { C: Matrix; D: Matrix };
  return variance(sum(C, D)) / variance(D);
}

export const t9 = defineTheorem({
  id: 'T9',
  claim: 'C1',
  title: 'noise augmentation fixes the gauge C = -D for free; decoder noise leads to an identity decoder',
  statement:
    'With a free decoder map, encoder noise of any size costs nothing and forces C = -D, the difference gauge. Decoder noise raises the optimal loss monotonically from that of free-decoder reconstruction (no noise) to that of identity-decoder reconstruction (infinite noise).',
  hypotheses: ['k at most the rank of the innovation (latents beyond it are zero)'],
  predict: {
    /** |C + D|^2 / |D|^2 under encoder noise without decoder noise. */
    gauge: (): number => 0,
    /** The loss at both ends of decoder noise, from those of reconstruction. */
    silent: (free: number, _identity: number): number => free,
    deafening: (_free: number, identity: number): number => identity,
    /** The sign of a change of the loss as decoder noise grows. */
    direction: (): number => 1,
  },
  async compare(predict, trials, context) {
    const worlds = trials.draw((random) => {
      const spec = anyWorld(random);
      const latentDim = random.integer(1, Math.min(spec.observationDim, spec.actionDim + spec.exogenousDim));
      return { spec, latentDim, encoderNoise: random.logUniform(0.01, 10) };
    });
    const augmented = (decoderNoise: number) =>
      solveBatch(
        worlds.map(({ spec, latentDim, encoderNoise }) => ({
          world: spec,
          objective: { kind: 'augmented', encoderNoise, decoderNoise },
          latentDim,
        })),
        { ...context, encoder: decoderNoise === 0 },
      );
    const reconstruction = (decoder: 'free' | 'identity') =>
      solveBatch(
        worlds.map(({ spec, latentDim }) => ({
          world: spec,
          objective: { kind: 'reconstruction', decoder },
          latentDim,
        })),
        { ...context, encoder: decoder === 'free' },
      );
    const [free, identity] = [await reconstruction('free'), await reconstruction('identity')];
    const path: Solution[][] = [];
    for (const noise of [0, ...NOISES, GREAT]) path.push(await augmented(noise));
    return worlds.flatMap((_, i): Comparison[] => {
      const losses = path.map((solutions) => solutions[i]?.loss ?? Number.NaN);
      const [low, high] = [free[i]?.loss ?? Number.NaN, identity[i]?.loss ?? Number.NaN];
      const scale = high + free[i]?.spectrum[0];
      const silent = path[0]?.[i];
      return [
        {
          what: '|C + D|^2 / |D|^2 with encoder noise',
          predicted: predict.gauge(),
          measured: gaugeError(silent),
          tolerance: 1e-9,
        },
        {
          what: 'loss with encoder noise alone',
          predicted: predict.silent(low, high),
          measured: losses[0],
          tolerance: 1e-8,
          scale,
        },
        {
          what: 'loss with decoder noise towards infinity',
          predicted: predict.deafening(low, high),
          measured: losses.at(-1) as number,
          tolerance: 1e-4,
          scale,
        },
        // A step that changes the loss by no more than rounding has no direction.
        ...losses.slice(1).flatMap((loss, j): Comparison[] => {
          const change = (loss - losses[j]) / scale;
          if (Math.abs(change) < 1e-10) return [];
          const what = 'sign of the change of the loss as decoder noise grows';
          return [{ what, predicted: predict.direction(), measured: Math.sign(change), tolerance: 0.5 }];
        }),
      ];
    });
  },
});
