import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { POPULATION_METRICS } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import { requireFolder, writeInPlace } from '../base/files.js';
import { version } from '../base/version.js';
import { type AnyWorldSpec, createAnyWorld } from '../world/any-world.js';
import { settingsOfBranch } from './added.js';
import { type Branch, type Points, pointsOf } from './points.js';
import { parametersOf } from './rows.js';
import { type Checked, differences, readSpec } from './spec.js';

/** spec.json: what a folder of parts holds. */
export interface SweepFile {
  readonly exolam: string;
  /** Each with every default: what was swept first, and what was added to it. */
  readonly specs: readonly Readonly<Record<string, unknown>>[];
  /** What is the same in every row. */
  readonly constants: Readonly<Record<string, unknown>>;
  readonly columns: readonly string[];
}

export const SPEC_FILE = 'spec.json';
export const PARTS = 'parts';

/** The names of the columns of a spec's rows, in order. */
export function columnNames(spec: Checked): string[] {
  const parameters = parametersOf(spec).map(({ name }) => name);
  return [
    'objective',
    ...parameters,
    'latentDim',
    ...(spec.refine ? ['refinement'] : []),
    'loss',
    ...POPULATION_METRICS,
    'unique',
    'rank',
    'status',
    'version',
  ];
}

/** What is the same in every row: the world but for what varies, the ridge of fits to samples, and the recipe of training. */
export function constantsOf(spec: Checked): Record<string, unknown> {
  const varies = new Set<string>(['seed', ...spec.grid.map(({ key }) => key)]);
  // Dimensions that vary may not make a world with the others' defaults: only what does not is asked for.
  const { base } = spec;
  const defaults = createAnyWorld((base.kind ? { kind: base.kind } : {}) as AnyWorldSpec).spec;
  const world = Object.entries({ ...defaults, ...base }).filter(
    ([key, value]) => !varies.has(key) && value !== undefined,
  );
  return {
    ...Object.fromEntries(world),
    ...(spec.samples.some(Number.isFinite) ? { ridge: spec.ridge } : {}),
    ...(spec.train ? { train: JSON.parse(JSON.stringify(spec.train.recipe)) as unknown } : {}),
  };
}

/** The specs of a folder, oldest first; undefined where it holds no sweep. */
export async function readSweepFile(dir: string): Promise<SweepFile | undefined> {
  const path = join(dir, SPEC_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new ExolamError('data', `${path} cannot be read: ${code}`, { cause: error });
  }
  try {
    const value = JSON.parse(text) as SweepFile;
    if (Array.isArray(value.specs) && value.specs.length > 0) return value;
  } catch {
    // Said below.
  }
  throw new ExolamError('data', `${path}: expected the spec.json of exolam sweep`);
}

/**
 * The specs whose parts belong into a folder, once the folder says so itself: the spec alone where it is new, those it has where the
 * spec is one of them, one more where it is extended. Any other is refused, with the difference.
 */
export async function openFolder(dir: string, spec: Checked, extend: boolean): Promise<Checked[]> {
  const found = await readSweepFile(dir);
  if (!found) {
    const strangers = (await readdir(join(dir, PARTS)).catch(() => [])).filter((name) =>
      name.endsWith('.parquet'),
    );
    // Another shard may have begun between the two looks.
    if (strangers.length > 0 && !(await readSweepFile(dir)))
      throw new ExolamError(
        'input',
        `${dir}: expected a new folder or that of a sweep, but it holds ${PARTS}/${strangers[0]} and no ${SPEC_FILE}`,
      );
    await requireFolder(join(dir, PARTS));
    await writeSpec(dir, [spec]);
    return [spec];
  }
  const specs = found.specs.map((own, i) => readSpec(own, `${dir}/${SPEC_FILE}: specs[${i}]`));
  const now = JSON.stringify(spec.whole);
  await requireFolder(join(dir, PARTS));
  if (specs.some((own) => JSON.stringify(own.whole) === now)) return specs;
  const last = specs[specs.length - 1];
  if (!extend) {
    const lines = differences(last.whole, spec.whole);
    throw new ExolamError(
      'input',
      `${dir} holds another sweep (${lines.slice(0, 5).join('; ')}${lines.length > 5 ? `; and ${lines.length - 5} more` : ''}): name another folder, or add these points to it with --extend`,
    );
  }
  requireExtension(last, spec, dir);
  await writeSpec(dir, [...specs, spec]);
  return [...specs, spec];
}

/** Throws unless the rows of both can stand in one table. */
function requireExtension(before: Checked, now: Checked, dir: string): void {
  const refuse = (what: string) =>
    new ExolamError(
      'input',
      `--extend: expected a sweep whose rows fit those in ${dir}, but ${what}; name another folder`,
    );
  const [a, b] = [columnNames(before), columnNames(now)];
  const odd = [...b.filter((name) => !a.includes(name)), ...a.filter((name) => !b.includes(name))];
  if (odd.length > 0)
    throw refuse(
      `only ${b.includes(odd[0]) ? 'this one' : 'those'} have a column ${odd[0]} (a key varies as soon as the grid holds it, one value is enough)`,
    );
  const refined = refinementDiffers(pointsOf(before), pointsOf(now));
  if (refined !== undefined)
    throw refuse(
      `its refinement differs (${refined}): further seeds, latent dimensions, samples, objectives and listed values can be added`,
    );
  const constants = differences(constantsOf(before), constantsOf(now));
  if (constants.length > 0) throw refuse(`what no row tells differs: ${constants[0]}`);
}

/** What of the cells that are halved is not the same in two sweeps: each refinement looks at all of its slice. */
function refinementDiffers(before: Points, now: Points): string | undefined {
  const [line] = differences(before.spec.refine, now.spec.refine, 'refine');
  if (line !== undefined || !now.spec.refine) return line;
  const intervals = ({ axes }: Branch) =>
    axes.flatMap(({ keys, interval }) => (interval ? [[keys[0].key, interval]] : []));
  for (const branch of now.branches)
    for (const other of before.branches.filter((one) => settingsOfBranch(one) === settingsOfBranch(branch)))
      if (JSON.stringify(intervals(other)) !== JSON.stringify(intervals(branch)))
        return `the ranges of ${branch.objective.label}`;
  return undefined;
}

async function writeSpec(dir: string, specs: readonly Checked[]): Promise<void> {
  const [first] = specs;
  const file: SweepFile = {
    exolam: version,
    specs: specs.map(({ whole }) => whole),
    constants: constantsOf(first),
    columns: columnNames(first),
  };
  await writeInPlace(join(dir, SPEC_FILE), (path) => writeFile(path, `${JSON.stringify(file, null, 2)}\n`));
}

/** The name of a part's file: of the first spec, or of one that was added. */
export function partFile(generation: number, part: number): string {
  const number = String(part).padStart(6, '0');
  return generation === 0 ? `part-${number}.parquet` : `part-${number}-added-${generation}.parquet`;
}
