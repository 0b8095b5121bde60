import type { Axis } from './axis.js';
import type { Checked, SweepSpec } from './spec.js';
import { readSpec } from './spec.js';
import type { SweepTrain } from './train-spec.js';

/** Values of a key that are kept at most, and seeds. */
const VALUES = 3;
const SEEDS = 2;

/** The first, the middle and the last of a list. */
function few<T>(list: readonly T[], most = VALUES): readonly T[] {
  if (list.length <= most) return list;
  return Array.from({ length: most }, (_, i) => list[Math.round((i * (list.length - 1)) / (most - 1))]);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Lists by their ends and middle, ranges by three values; everything else as it is. */
function coarse(value: unknown): unknown {
  if (Array.isArray(value)) return few(value);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) =>
      (key === 'range' || key === 'logRange') && Array.isArray(inner) && inner.length === 3
        ? [key, [inner[0], inner[1], Math.min(VALUES, inner[2] as number)]]
        : [
            key,
            key === 'projection' ? inner : key === 'parts' ? (inner as unknown[]).map(coarse) : coarse(inner),
          ],
    ),
  );
}

/** Training with a hundredth of the steps. */
function quickTrain(train: SweepTrain, steps: readonly number[]): SweepTrain {
  const fewer = few([...new Set(steps)]).map((n) => Math.ceil(n / 100));
  const [learningRate, batchSize] = [coarse(train.learningRate), coarse(train.batchSize)] as [Axis, Axis];
  return { ...train, steps: [...new Set(fewer)], learningRate, batchSize };
}

/** A spec that is tried in seconds: at most three values of each key, two seeds, a hundredth of the random points and of the training steps. */
export function quickSpec(spec: SweepSpec): SweepSpec {
  const checked: Checked = readSpec(spec);
  const whole = checked.whole as unknown as SweepSpec;
  const objectives = whole.objectives?.map((objective) => coarse(objective)) as SweepSpec['objectives'];
  return {
    ...whole,
    grid: coarse(whole.grid) as SweepSpec['grid'],
    objectives,
    latentDim: few(checked.latentDims),
    seeds: few(checked.seeds, SEEDS),
    samples: whole.samples === null ? null : few(checked.samples.map((n) => (Number.isFinite(n) ? n : null))),
    train: whole.train && quickTrain(whole.train, checked.train?.points.map(([steps]) => steps) ?? []),
    random: whole.random === undefined ? undefined : Math.max(10, Math.ceil(whole.random / 100)),
  };
}
