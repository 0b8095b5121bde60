import type { WorldSpec } from '../world/world.js';
import { type NonlinearSpec, nonlinearSpec } from './nonlinear-spec.js';
import type { RealSpec } from './real-spec.js';

export const MIXINGS = ['orthonormal', 'gaussian'] as const;
export type Mixing = (typeof MIXINGS)[number];
/** How the figures call them. */
export const MIXING_NAMES: Readonly<Record<Mixing, string>> = {
  orthonormal: 'orthonormal',
  gaussian: 'overlapping',
};

/** Everything that decides the numbers of a reproduction. alpha = (actionScale policyNoise)^2 = 1; beta = exogenousScale^2. */
export interface ReproduceSpec {
  readonly seed: number;
  readonly quick: boolean;
  readonly world: WorldSpec & {
    readonly endogenousDim: number;
    readonly exogenousDim: number;
    readonly actionDim: number;
  };
  readonly latentDim: number;
  /** Overlapping worlds behind each mean and spread; their seeds are seed, seed + 1, ... */
  readonly worlds: number;
  /** Strength of each remedy where the exogenous scale varies. */
  readonly strengths: { readonly gain: number; readonly weight: number; readonly penalty: number };
  readonly exogenousScales: readonly number[];
  readonly phase: {
    /** Edges of the cells, geometric; a cell is measured in its (geometric) middle. */
    readonly ratio: Edges;
    readonly gain: Edges;
    readonly weight: Edges;
    readonly penalty: Edges;
    readonly worlds: number;
  };
  readonly consistency: { readonly ratios: readonly number[]; readonly strengths: readonly number[] };
  readonly sensor: { readonly scales: readonly number[]; readonly noises: readonly number[] };
  readonly spectrum: { readonly scales: readonly number[] };
  readonly samples: {
    /** beta / alpha of the two-dimensional worlds, and transitions of each fit. */
    readonly ratios: readonly number[];
    readonly counts: readonly number[];
    readonly fits: number;
    /** The same for the worlds of `world`'s size. */
    readonly largeRatios: readonly number[];
    readonly largeCounts: readonly number[];
    readonly largeFits: number;
  };
  readonly order: {
    readonly start: number;
    readonly ratio: number;
    readonly worlds: number;
    readonly scales: readonly number[];
  };
  /** Random worlds behind each row of the table of statements. */
  readonly trials: number;
  readonly nonlinear: NonlinearSpec;
  /** Absent where no data was given. */
  readonly real?: RealSpec | undefined;
}

export interface Edges {
  readonly from: number;
  readonly to: number;
  readonly cells: number;
}

/** n points from a to b, both included, in constant ratio. */
export function geometric(a: number, b: number, n: number): number[] {
  return Array.from({ length: n }, (_, i) => Number((a * (b / a) ** (i / (n - 1))).toPrecision(12)));
}

/** The cells of an axis: edges and geometric middles. */
export function cellsOf({ from, to, cells }: Edges): { low: number; high: number; middle: number }[] {
  const edge = (i: number) => Number((from * (to / from) ** (i / cells)).toPrecision(12));
  return Array.from({ length: cells }, (_, i) => ({
    low: edge(i),
    high: edge(i + 1),
    middle: edge(i + 0.5),
  }));
}

/**
 * Grids are laid so that no point falls on a tie of the theory (beta = alpha, or a critical strength): there more than one encoder is
 * optimal, and which of them the arithmetic returns is chance. The cells of a phase diagram are so many that their centres come no
 * nearer to a tie than a part in ten thousand (102 cells an axis would put a column of them on beta = alpha).
 */
export function reproduceSpec(options: { seed?: number; quick?: boolean } = {}): ReproduceSpec {
  const quick = options.quick ?? false;
  const pick = <T>(few: T, many: T): T => (quick ? few : many);
  const cells = pick(9, 100);
  return {
    seed: options.seed ?? 0,
    quick,
    world: {
      observationDim: 16,
      endogenousDim: 5,
      exogenousDim: 4,
      actionDim: 3,
      endogenousDecay: 1,
      exogenousDecay: 0.8,
      actionScale: 1,
      policyNoise: 1,
      processNoise: 0,
      sensorNoise: 0,
    },
    latentDim: 3,
    worlds: pick(4, 20),
    strengths: { gain: 0.25, weight: 8, penalty: 2 },
    exogenousScales: geometric(0.25, 8, pick(12, 34)),
    phase: {
      ratio: { from: 0.25, to: 64, cells: pick(11, 100) },
      gain: { from: 0.08, to: 2, cells },
      weight: { from: 0.1, to: 100, cells },
      penalty: { from: 0.05, to: 50, cells },
      worlds: pick(2, 6),
    },
    consistency: { ratios: [4, 16], strengths: geometric(0.01, 1e4, pick(8, 25)) },
    sensor: { scales: [1.5, 3, 6], noises: geometric(1e-3, 1, pick(6, 16)) },
    spectrum: { scales: [0.5, 2] },
    samples: {
      ratios: [0.5, 0.7, 0.9, 1.1, 1.4, 2],
      counts: pick([4, 16, 64, 256], [4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]),
      fits: pick(200, 2000),
      largeRatios: [0.5, 0.8, 1.25, 2],
      largeCounts: pick([32, 256, 2048], [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192]),
      largeFits: pick(20, 100),
    },
    order: { start: 1e-3, ratio: 4, worlds: pick(2, 6), scales: [0.5, 1.5, 3] },
    trials: pick(4, 20),
    nonlinear: nonlinearSpec(quick),
  };
}
