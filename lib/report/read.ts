import { z } from 'zod';
import { ExolamError } from '../base/errors.js';
import { quote } from '../base/validate.js';
import type { Analysis } from '../verdict/analysis.js';
import type { ScanAnalysis } from '../verdict/scan-rows.js';

const finite = z.number('a number');
const text = z.string('text');
const list = <T extends z.ZodType>(of: T) => z.array(of, 'a list');

const estimate = z.object(
  {
    value: finite.nullable(),
    low: finite.nullable(),
    high: finite.nullable(),
    training: finite.nullable(),
    standardError: finite.nullable(),
    degreesOfFreedom: finite.nullable(),
    rough: z.boolean('true or false'),
    reason: text.nullable(),
  },
  'an estimate',
);
const metrics = z.record(z.string(), estimate, 'an object of estimates');

const remedy = z.looseObject(
  {
    remedy: text,
    parameter: z.union([z.literal('weight'), z.literal('gain'), z.null()], 'a parameter'),
    latentDim: finite,
    reached: z.enum(['yes', 'no', 'cannot-tell'], 'yes, no or cannot-tell'),
    strength: finite.nullable(),
    strengths: list(finite),
    before: metrics,
    after: metrics,
    note: text.optional(),
  },
  'an object',
);

const verdict = z.looseObject(
  { answer: text, latentDim: finite, because: text, sentence: text, evidence: list(text) },
  'an object',
);

const row = z.looseObject(
  {
    latentDim: finite,
    objective: z.looseObject({ kind: text }, 'an object'),
    loss: finite,
    metrics,
    madeOf: z
      .object({ exogenous: estimate, action: estimate, both: estimate, neither: estimate }, 'an object')
      .nullish(),
  },
  'an object',
);

const spread = z.object({ mean: finite, low: finite, high: finite }, 'a spread').nullable();
const labelPoint = z.looseObject(
  {
    transitions: finite,
    episodes: finite.nullable(),
    leakage: spread,
    actionError: spread,
    reasons: z.object({ leakage: z.string().nullable(), actionError: z.string().nullable() }, 'reasons'),
  },
  'an object',
);
const labels = z.looseObject(
  {
    latentDim: finite,
    weight: finite,
    draws: finite,
    exogenousDim: finite,
    transitions: list(labelPoint),
    episodes: list(labelPoint),
  },
  'an object',
);

/** What drawing relies on; the rest is shown as it is. */
const analysis = z.looseObject(
  {
    source: z.looseObject({ options: z.record(z.string(), z.unknown(), 'an object') }, 'an object'),
    transitions: finite,
    observationDim: finite,
    actionDim: finite,
    episodes: finite,
    units: finite,
    unit: z.enum(['episode', 'block'], 'episode or block'),
    folds: list(finite),
    ridges: list(finite),
    spectrum: list(finite),
    level: finite,
    latent: list(row),
    remedies: list(remedy),
    labels: labels.nullish(),
    notes: list(text),
    verdict,
  },
  'an object',
);

/** Is this JSON what `exolam analyze --json` prints? */
export function isAnalysis(value: unknown): boolean {
  const a = value as Partial<Analysis> | null;
  return typeof a === 'object' && a !== null && Array.isArray(a.latent) && typeof a.verdict === 'object';
}

const difference = z.looseObject({ value: finite, low: finite, high: finite }, 'a difference');
const scanRow = z.looseObject(
  {
    value: finite,
    transitions: finite,
    answer: z.enum(['leaks', 'does-not-leak', 'cannot-tell', 'unknown'], 'an answer'),
    metrics,
    actionGivenObservation: finite.nullable(),
    differences: z.record(z.string(), difference, 'an object of differences').nullable(),
    lessBest: difference.nullable(),
  },
  'an object',
);
const values = z.array(finite, 'a list').min(1, 'a list of at least one');
const scan = z
  .looseObject(
    {
      scan: z.union(
        [z.strictObject({ stride: values }), z.strictObject({ actionLag: values })],
        'stride or actionLag',
      ),
      source: z.looseObject({ options: z.record(z.string(), z.unknown(), 'an object') }, 'an object'),
      reference: finite,
      latentDim: finite,
      because: text,
      rows: z.array(scanRow, 'a list').min(1, 'a list of at least one'),
      alignment: z.looseObject({ best: finite.nullable() }, 'an object').nullable(),
      sentence: text,
      notes: list(text),
      analyses: list(analysis),
    },
    'an object',
  )
  .refine(({ rows, analyses }) => rows.length === analyses.length, {
    path: ['analyses'],
    message: 'as many as rows',
  });

/** Is this JSON what `exolam analyze --json` prints of several strides or lags? */
export function isScan(value: unknown): boolean {
  const a = value as Partial<ScanAnalysis> | null;
  return typeof a === 'object' && a !== null && Array.isArray(a.analyses) && typeof a.scan === 'object';
}

/** A parsed scan, checked likewise. */
export const readScan = (value: unknown, what: string): ScanAnalysis =>
  read(scan, value, what) as unknown as ScanAnalysis;

/** A parsed analysis, checked as far as drawing relies on it. */
export const readAnalysis = (value: unknown, what: string): Analysis =>
  read(analysis, value, what) as unknown as Analysis;

function read(schema: z.ZodType, value: unknown, what: string): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path ?? [];
  const field = path.reduce<string>(
    (name, key) =>
      typeof key === 'number' ? `${name}[${key}]` : name ? `${name}.${String(key)}` : String(key),
    '',
  );
  const found = path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  );
  throw new ExolamError(
    'data',
    `${what}: expected the JSON of exolam analyze, but its ${field} is missing or not of its kind: expected ${issue?.message} but received ${quote(found)}`,
  );
}
