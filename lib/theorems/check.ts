import { z } from 'zod';
import { backendField, controlFields } from '../backend/control.js';
import type { Backend, Control } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { describes, integer, parse } from '../base/validate.js';
import { Random } from './random.js';

/** The claims of the literature that the statements formalise; docs/theory.md says which is whose. */
export type Claim = 'C1' | 'C2' | 'C3' | 'C4';

/** Where a check runs. */
export interface CheckContext extends Control {
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}

/** Random worlds of one check: a million take days. */
export const trialsField = integer(1, 1_000_000);
export const seedField = integer(0);
const contextSchema = describes<CheckContext>()(z.strictObject({ ...controlFields, backend: backendField }));

/** One predicted figure beside the measured one. Their difference, divided by `scale`, may be as large as `tolerance`. */
export interface Comparison {
  readonly what: string;
  readonly predicted: number;
  readonly measured: number;
  readonly tolerance: number;
  /** Default 1: an absolute difference. */
  readonly scale?: number;
}

/** All comparisons of one quantity, by the one that came closest to its tolerance. */
export interface CheckRow {
  readonly what: string;
  readonly comparisons: number;
  readonly predicted: number;
  readonly measured: number;
  readonly tolerance: number;
  /** |predicted - measured| / scale */
  readonly worst: number;
  readonly passed: boolean;
}

/** The verdict; `predicted`, `measured`, `tolerance` and `worst` are those of the row nearest to failure. */
export interface CheckResult {
  readonly id: string;
  readonly claim: Claim;
  readonly statement: string;
  readonly trials: number;
  readonly predicted: number;
  readonly measured: number;
  readonly tolerance: number;
  readonly worst: number;
  readonly passed: boolean;
  readonly rows: readonly CheckRow[];
}

export interface Theorem {
  readonly id: string;
  readonly claim: Claim;
  /** One line, for tables. */
  readonly title: string;
  readonly statement: string;
  readonly hypotheses: readonly string[];
  /** Predicted against measured on `trials` random worlds; the same figures for the same seed. */
  check(trials: number, seed: number, context?: CheckContext): Promise<CheckResult>;
}

/** A theorem whose formulas can be exchanged, so that tests can show that a wrong one fails. */
export interface Falsifiable<P extends object> extends Theorem {
  readonly predict: P;
  withPrediction(predict: Partial<P>): Theorem;
}

/** The trials of one check. */
export interface Trials {
  readonly count: number;
  /** A generator of trial `i`'s own; `part` tells the several draws of one trial apart. */
  random(i: number, part?: string): Random;
  /** One value for each trial. */
  draw<T>(make: (random: Random, i: number) => T, part?: string): T[];
}

export interface Definition<P extends object> {
  readonly id: string;
  readonly claim: Claim;
  readonly title: string;
  readonly statement: string;
  readonly hypotheses: readonly string[];
  /** The theory's formulas: the only thing that `compare` takes from the theory. */
  readonly predict: P;
  compare(predict: P, trials: Trials, context: CheckContext & { backend: Backend }): Promise<Comparison[]>;
}

/** The theorem with its check: `compare` on as many trials, summarised by quantity. Throws where nothing was compared. */
export function defineTheorem<P extends object>(definition: Definition<P>): Falsifiable<P> {
  const { id, claim, title, statement, hypotheses, predict } = definition;
  return {
    id,
    claim,
    title,
    statement,
    hypotheses,
    predict,
    withPrediction: (changed) => defineTheorem({ ...definition, predict: { ...predict, ...changed } }),
    check: (trials, seed, context = {}) => boundary(id, () => run(trials, seed, context)),
  };

  async function run(
    trialsAsked: number,
    seedAsked: number,
    contextAsked: CheckContext,
  ): Promise<CheckResult> {
    const count = parse(trialsField, trialsAsked, 'trials');
    const seed = parse(seedField, seedAsked, 'seed');
    const context = parse(contextSchema, contextAsked, '', 'context');
    const random = (i: number, part = '') => new Random(seed, id, part, i);
    const trials: Trials = {
      count,
      random,
      draw: (make, part) => Array.from({ length: count }, (_, i) => make(random(i, part), i)),
    };
    const backend = context.backend ?? defaultBackend();
    const rows = summarise(await definition.compare(predict, trials, { ...context, backend }));
    const [nearest] = [...rows].sort((a, b) => b.worst / b.tolerance - a.worst / a.tolerance);
    if (!nearest) throw new ExolamError('internal', `${id} compared nothing`);
    const { predicted, measured, tolerance, worst } = nearest;
    const passed = rows.every((row) => row.passed);
    return { id, claim, statement, trials: count, predicted, measured, tolerance, worst, passed, rows };
  }
}

/** |predicted - measured| / scale; Infinity where either is NaN, 0 where both are the same infinity. */
function errorOf({ predicted, measured, scale = 1 }: Comparison): number {
  if (predicted === measured) return 0;
  const error = Math.abs(predicted - measured) / scale;
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

/** A row for every quantity, in the order in which they first occur. */
function summarise(comparisons: readonly Comparison[]): CheckRow[] {
  const rows = new Map<string, CheckRow>();
  for (const comparison of comparisons) {
    const { what, predicted, measured, tolerance } = comparison;
    const error = errorOf(comparison);
    const before = rows.get(what);
    const count = (before?.comparisons ?? 0) + 1;
    const isWorse = !before || error / tolerance > before.worst / before.tolerance;
    const passed = (before?.passed ?? true) && error <= tolerance;
    const shown = isWorse ? { what, predicted, measured, tolerance, worst: error } : before;
    rows.set(what, { ...shown, comparisons: count, passed });
  }
  return [...rows.values()];
}
