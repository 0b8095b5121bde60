import type { Case } from './case.js';
import type { Limits } from './limits.js';
import type { Machine } from './machine.js';
import type { Measurement } from './measure.js';

export interface CaseResult {
  readonly name: string;
  readonly unit: string;
  readonly contenders: readonly Measurement[];
  /** Seconds of an item on one thread: processor time of the native backend's best sample. */
  readonly native: number;
  /** How many times the native backend's processor time the others take. */
  readonly ratios: Readonly<Record<string, number>>;
  /** Floating-point operations of an item, where it has a count; in f64 unless said. */
  readonly operations?: number;
  readonly precision?: 'f32';
  /** The least time that the machine's measured limits allow for an item, where that can be said. */
  readonly limit: { readonly seconds: number; readonly by: 'fma' | 'write' } | null;
}

export interface Results {
  readonly quick: boolean;
  readonly machine: Machine;
  readonly limits: Limits;
  readonly cases: readonly CaseResult[];
  /** Of a run with --peers: the versions of those measured, and for each of those absent what would bring it. */
  readonly peers?: {
    readonly versions: Readonly<Record<string, string>>;
    readonly absent: readonly string[];
  };
}

/**
 * Why a case's times on one thread are not to be trusted, one reason each; none where all is well. Alone on its core, the best
 * sample has as much processor time as wall time; and nothing is faster than the machine.
 */
export function doubts({ contenders, limit }: CaseResult): string[] {
  return contenders
    .filter(({ threads }) => threads === 1)
    .flatMap(({ name, cpu, wall }) => [
      ...(limit?.by === 'fma' && cpu < limit.seconds ? [`${name} is faster than the limit`] : []),
      ...(cpu < 0.95 * wall ? [`${name} ${Math.round((100 * cpu) / wall)} %`] : []),
    ]);
}

export function resultOf(subject: Case, contenders: readonly Measurement[], limits: Limits): CaseResult {
  const native = contenders.find((c) => c.name === 'native' && c.threads === 1);
  if (!native) throw new Error(`${subject.name}: the native backend is missing`);
  const others = contenders.filter((c) => c.name !== 'native');
  return {
    name: subject.name,
    unit: subject.unit,
    contenders,
    native: native.cpu,
    ratios: Object.fromEntries(others.map((c) => [c.name, c.cpu / native.cpu])),
    ...(subject.operations !== undefined && { operations: subject.operations }),
    ...(subject.precision && { precision: subject.precision }),
    limit: limitOf(subject, limits),
  };
}

/** The greater of the times that its operations and its bytes take at best. */
function limitOf(subject: Case, limits: Limits): CaseResult['limit'] {
  const peak = subject.precision === 'f32' ? 2 * limits.fma : limits.fma;
  const [fma, write] = [(subject.operations ?? 0) / peak, (subject.bytes ?? 0) / limits.write];
  if (fma === 0 && write === 0) return null;
  return fma >= write ? { seconds: fma, by: 'fma' } : { seconds: write, by: 'write' };
}
