import { ExolamError } from '../base/errors.js';

/** The strength of a remedy at which futureLeakage falls to the chosen level. */
export interface Critical {
  readonly value: number;
  readonly method: 'closed form' | 'search';
  /** futureLeakage at `value`, on the side where it is small enough. */
  readonly futureLeakage: number;
  /** False where some greater strength on the way was above the level again. */
  readonly isMonotone: boolean;
}

/**
 * Strengths of the first grid: a search gives up beyond them. A greater penalty would push what it spares below the solver's
 * relative tolerance.
 */
export const RANGE = [1e-6, 1e6] as const;

/** Points of the grid of each round: one batch of exact solutions. */
export const GRID = 31;

export interface StrengthSearch {
  /** What messages call the strength. */
  readonly what: string;
  readonly level: number;
  readonly relativeTolerance: number;
  /** Unit of strength, so that a range of magnitudes serves every problem. */
  readonly scale: number;
  /** Least and greatest strength of the first grid, in units of `scale`. Default 1e-6 to 1e6. */
  readonly range?: readonly [least: number, greatest: number];
  /** Points of the first grid and of every finer one, both ends included. Default 31 each. */
  readonly points?: readonly [first: number, finer: number];
}

export type Leakages = (strengths: readonly number[]) => Promise<readonly number[]>;

/**
 * The least strength at which a leakage that falls with strength is at most `level`: a grid over magnitudes, then finer grids
 * between the last strength that leaks and the first that does not. `leakages` answers a whole grid at once: exact solutions of
 * a world or fits to a user's data. Throws where no strength of the first grid is enough.
 */
export async function leastStrength(leakages: Leakages, search: StrengthSearch): Promise<Critical> {
  const { critical, least } = await seekStrength(leakages, search);
  if (critical) return critical;
  const greatest = (search.range ?? RANGE)[1] * search.scale;
  throw new ExolamError(
    'numerical',
    `${search.what}: no strength up to ${greatest.toExponential(0)} brings futureLeakage down to ${search.level}; the least it reaches is ${Number(least.futureLeakage.toPrecision(3))}`,
  );
}

/** The least strength that is enough, and the one that leaks least; `critical` is null where none of the first grid is enough. */
export async function seekStrength(
  leakages: Leakages,
  { level, relativeTolerance, scale, range = RANGE, points: [many, finer] = [GRID, GRID] }: StrengthSearch,
): Promise<{ critical: Critical | null; least: { value: number; futureLeakage: number } }> {
  let [low, high] = [range[0] * scale, range[1] * scale];
  const weakest = low;
  let points = grid(low, high, many);
  const [without, ...first] = (await leakages([0, ...points])) as [number, ...number[]];
  const lowest = Math.min(without, ...first);
  const least = {
    value: [0, ...points][[without, ...first].indexOf(lowest)],
    futureLeakage: lowest,
  };
  const found = (value: number, futureLeakage: number, isMonotone: boolean) => ({
    critical: { value, method: 'search', futureLeakage, isMonotone } as const,
    least,
  });
  if (without <= level) {
    return found(
      0,
      without,
      first.every((v) => v <= level),
    );
  }
  let at = first.findIndex((v) => v <= level);
  if (at < 0) return { critical: null, least };
  const isMonotone = first.slice(at).every((v) => v <= level);
  let leakage = first[at];
  while (true) {
    high = points[at];
    if (at === 0 && high === weakest) break;
    low = at > 0 ? points[at - 1] : low;
    if (high / low - 1 <= relativeTolerance) break;
    // Both ends are known: the grid holds what lies between.
    points = grid(low, high, finer).slice(1);
    const answers = await leakages(points.slice(0, -1));
    const enough = answers.findIndex((v) => v <= level);
    at = enough < 0 ? points.length - 1 : enough;
    if (enough >= 0) leakage = answers[enough];
  }
  return found(high, leakage, isMonotone);
}

/** `points` numbers from `low` to `high`, evenly on a logarithmic scale, both ends exact. */
export function grid(low: number, high: number, points: number): number[] {
  return Array.from({ length: points }, (_, i) =>
    i === points - 1 ? high : low * (high / low) ** (i / (points - 1)),
  );
}
