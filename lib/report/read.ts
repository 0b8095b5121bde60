import { z } from 'zod';
import { ExolamError } from '../base/errors.js';
import { quote } from '../base/validate.js';
import type { Analysis } from '../verdict/analysis.js';
import { DEFAULT_LEVEL } from '../verdict/remedies.js';

/** A number; infinite ones are strings in JSON. */
const number = z.union(
  [
    z.number(),
    z.literal('Infinity').transform(() => Number.POSITIVE_INFINITY),
    z.literal('-Infinity').transform(() => Number.NEGATIVE_INFINITY),
  ],
  'a number',
);
const finite = z.number('a number');
const text = z.string('text');
const metrics = z.record(z.string(), number, 'an object of numbers');
const remedyMetrics = z.looseObject({ futureLeakage: number, actionError: number.optional() }, 'an object');

const remedy = z.looseObject(
  {
    remedy: text,
    parameter: z.union(
      [z.literal('weight'), z.literal('labels'), z.literal('gain'), z.null()],
      'a parameter',
    ),
    latentDim: finite,
    reached: z.boolean('true or false'),
    strength: finite.nullable(),
    weight: finite.optional(),
    before: remedyMetrics,
    after: remedyMetrics,
    note: text.optional(),
  },
  'an object',
);

/** What drawing relies on; the rest is shown as it is. */
const analysis = z.looseObject(
  {
    transitions: finite,
    observationDim: finite,
    actionDim: finite,
    episodes: finite,
    ridge: finite,
    spectrum: z.array(finite, 'a list'),
    split: z.looseObject({ train: finite, heldOut: finite }, 'an object'),
    latent: z.array(
      z.looseObject(
        {
          latentDim: finite,
          objective: z.looseObject({ kind: text }, 'an object'),
          loss: number,
          rank: finite.optional(),
          metrics,
        },
        'an object',
      ),
      'a list',
    ),
    // Files of before remedies were sought have none.
    level: finite.default(DEFAULT_LEVEL),
    remedies: z.array(remedy, 'a list').default([]),
    notes: z.array(text, 'a list'),
    recommendation: text,
  },
  'an object',
);

/** Is this JSON what `exolam analyze --json` prints? */
export function isAnalysis(value: unknown): boolean {
  const a = value as Partial<Analysis> | null;
  return (
    typeof a === 'object' && a !== null && Array.isArray(a.latent) && typeof a.recommendation === 'string'
  );
}

/** A parsed analysis, checked as far as drawing relies on it; "Infinity" becomes a number again. */
export function readAnalysis(value: unknown, what: string): Analysis {
  const parsed = analysis.safeParse(value);
  if (parsed.success) return parsed.data as unknown as Analysis;
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
