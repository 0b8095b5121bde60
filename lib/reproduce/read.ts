import { ExolamError } from '../base/errors.js';
import { quote } from '../base/validate.js';
import type { RealSpec } from './real-spec.js';
import { FORMAT, FORMAT_VERSION, type Reproduction } from './reproduce.js';
import { reproduceSpec } from './spec.js';

const fail = (what: string, sentence: string) => new ExolamError('data', `${what}: ${sentence}`);

/** Is this JSON a reproduction at all? */
export function isReproduction(value: unknown): boolean {
  return typeof value === 'object' && value !== null && (value as { format?: unknown }).format === FORMAT;
}

/** Parsed results.json, checked as far as drawing relies on it. `what` names the file. */
export function readReproduction(value: unknown, what: string): Reproduction {
  if (!isReproduction(value))
    throw fail(what, `expected a reproduction, as reproduce() gives it, but received ${quote(value)}`);
  const saved = value as Reproduction;
  if (saved.formatVersion !== FORMAT_VERSION) {
    throw fail(
      what,
      `expected formatVersion ${FORMAT_VERSION} but received ${JSON.stringify(saved.formatVersion)}; run exolam reproduce again`,
    );
  }
  const odd =
    difference(saved.spec, reproduceSpec(), 'spec') ??
    (saved.spec.real === undefined ? undefined : difference(saved.spec.real, REAL, 'spec.real'));
  if (odd) throw fail(what, `${odd}; run exolam reproduce again`);
  for (const [name, table] of Object.entries(saved.tables ?? {})) {
    const width = table?.columns?.length;
    if (!width || !Array.isArray(table.rows) || table.rows.some((row) => row?.length !== width)) {
      throw fail(
        what,
        `expected tables.${name} to have rows as wide as its columns; run exolam reproduce again`,
      );
    }
  }
  return saved;
}

/** Of what kind the fields of a specification of the user's data are. */
const REAL: RealSpec = {
  data: { path: '', distractor: 1 },
  scale: 'given',
  ...{ latentDim: 1, steps: 1, residual: true, transitions: 1 },
  ...{ observationDim: 1, actionDim: 1, exogenousDim: 1, groups: [[0]], notes: [''] },
};

/** The first place where `value` has not the shape of `like`, as a sentence. */
function difference(value: unknown, like: unknown, path: string): string | undefined {
  if (Array.isArray(like)) {
    if (!Array.isArray(value) || value.length === 0) return `expected a list for ${path}`;
    const wrong = value.findIndex((v) => typeof v !== typeof like[0]);
    return wrong < 0 ? undefined : `expected a ${typeof like[0]} for ${path}[${wrong}]`;
  }
  if (typeof like === 'object' && like !== null) {
    if (typeof value !== 'object' || value === null) return `expected an object for ${path}`;
    for (const [key, inner] of Object.entries(like)) {
      const found = difference((value as Record<string, unknown>)[key], inner, `${path}.${key}`);
      if (found) return found;
    }
    return undefined;
  }
  return typeof value === typeof like ? undefined : `expected a ${typeof like} for ${path}`;
}
