import { z } from 'zod';
import { backendField, controlFields } from '../backend/control.js';
import type { Backend, Control } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { boundary } from '../base/boundary.js';
import { describes, parseOptions } from '../base/validate.js';
import { version } from '../base/version.js';
import { seedField } from '../theorems/check.js';
import { type ClaimVerdict, claimsOf } from './claims.js';
import { consistency } from './consistency.js';
import { nonlinear } from './nonlinear.js';
import { order } from './order.js';
import { phases } from './phase.js';
import { real } from './real.js';
import { realClaims } from './real-claims.js';
import { openReal, type RealData } from './real-data.js';
import { type ReproduceData, reproduceDataSchema } from './real-spec.js';
import { samples } from './samples.js';
import { scale } from './scale.js';
import { sensor } from './sensor.js';
import { type ReproduceSpec, reproduceSpec } from './spec.js';
import { spectrum } from './spectrum.js';
import { statements } from './statements.js';
import type { Study } from './study.js';
import type { Table } from './table.js';

export const FORMAT = 'exolam-reproduction';
export const FORMAT_VERSION = 1;

/** In the order in which they are measured. */
export const STUDIES: readonly Study[] = [
  scale,
  spectrum,
  samples,
  order,
  ...phases,
  consistency,
  sensor,
  statements,
  nonlinear,
];

/** With that of the user's data, where there is any. */
export const studiesOf = (spec: ReproduceSpec): readonly Study[] =>
  spec.real ? [...STUDIES, real] : STUDIES;

/** Share of the progress that reading the user's data has, in the unit of a study's cost. */
const READING = 3;

export interface ReproduceOptions extends Control {
  /** Decides every random world and draw: an integer from 0. Default 0. */
  readonly seed?: number | undefined;
  /** Coarse grids and few worlds: seconds instead of minutes. Default false. */
  readonly quick?: boolean | undefined;
  /** Data to train nonlinear models on as well: C1 to C3 are asked of them too. Default: worlds alone. */
  readonly data?: ReproduceData | undefined;
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}

/** {@link ReproduceOptions}, checked and with defaults. */
export const reproduceOptionsSchema = describes<ReproduceOptions>()(
  z.strictObject({
    ...controlFields,
    seed: seedField.default(0),
    quick: z.boolean().default(false),
    data: reproduceDataSchema.optional(),
    backend: backendField,
  }),
);

/** The claims C1 to C4 in numbers: all that the figures show, and all that it takes to get the same again. */
export interface Reproduction {
  readonly format: typeof FORMAT;
  readonly formatVersion: number;
  readonly versions: {
    readonly exolam: string;
    readonly node: string;
    readonly backend: string;
    readonly isa: string;
  };
  readonly spec: ReproduceSpec;
  /** Whether each claim holds in the worlds measured. */
  readonly claims: readonly ClaimVerdict[];
  /** Whether C1 to C3 hold on the user's data; absent where none was given. */
  readonly realClaims?: readonly ClaimVerdict[] | undefined;
  /** One computed sentence for each study. */
  readonly readings: Readonly<Record<string, string>>;
  readonly tables: Readonly<Record<string, Table>>;
}

/**
 * Measures everything behind the figures of the claims C1 to C3 (linear models, exactly) and C4 (nonlinear ones, trained; on data of
 * the user's as well). The same seed gives the same numbers.
 */
export function reproduce(options: ReproduceOptions = {}): Promise<Reproduction> {
  return boundary('reproduce', () => measureAll(parseOptions(reproduceOptionsSchema, options)));
}

async function measureAll(options: z.output<typeof reproduceOptionsSchema>): Promise<Reproduction> {
  const { seed, quick, signal, threads, onProgress } = options;
  const backend = options.backend ?? defaultBackend();
  const data = options.data && (await opened(options.data, options, backend));
  const spec: ReproduceSpec = { ...reproduceSpec({ seed, quick }), ...(data ? { real: data.spec } : {}) };
  const studies = studiesOf(spec);
  let before = data ? READING : 0;
  const total = studies.reduce((sum, study) => sum + study.cost, before);
  const tables: Record<string, Table> = {};
  for (const study of studies) {
    const measured = await study.measure({
      ...{ spec, backend, data, signal, threads },
      advance: (done, of) => onProgress?.(before + (study.cost * done) / of, total),
    });
    for (const table of measured) tables[table.name] = table;
    before += study.cost;
    onProgress?.(before, total);
  }
  const readings = Object.fromEntries(
    studies.map((study) => [study.name, study.read(tables, spec).sentence]),
  );
  const { name, isa } = backend.info();
  return {
    format: FORMAT,
    formatVersion: FORMAT_VERSION,
    versions: { exolam: version, node: process.versions.node, backend: name, isa },
    spec,
    claims: claimsOf(tables, spec),
    ...(spec.real ? { realClaims: realClaims(tables, spec.real) } : {}),
    readings,
    tables,
  };
}

/** The data first: what is wrong with it is said before anything is measured. */
function opened(
  data: z.output<typeof reproduceDataSchema>,
  { seed, quick, signal, threads, onProgress }: z.output<typeof reproduceOptionsSchema>,
  backend: Backend,
): Promise<RealData> {
  const all = [...STUDIES, real].reduce((sum, study) => sum + study.cost, READING);
  const heard = (done: number, of: number) => onProgress?.((READING * done) / of, all);
  return openReal(data, { seed, quick }, backend, { signal, threads, onProgress: heard });
}
