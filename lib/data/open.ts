import { stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Control } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import { checked } from './checks.js';
import { withDistractor } from './distractor.js';
import { withoutEpisodes, withoutRows } from './exclude.js';
import { openTable, readColumns } from './formats/columns.js';
import { readNpz } from './formats/npz.js';
import { readLeRobot } from './lerobot/lerobot.js';
import { type Episodes, type Transitions, toTransitions } from './transitions.js';

/** What a user says about their data; the names are those of the command line's options. */
export interface DataOptions {
  /** Feature of a LeRobot dataset, or pattern of column names. */
  readonly observation?: string | undefined;
  readonly action?: string | undefined;
  /** Array or columns of o', where rows are transitions. */
  readonly observationNext?: string | undefined;
  /** Array or columns of the exogenous state: x of each frame, or, where rows are transitions, x'. */
  readonly exogenous?: string | undefined;
  /** Array or column of the number of each row's episode. */
  readonly episode?: string | undefined;
  /** Numbers of episodes that are left out. */
  readonly exclude?: readonly number[] | undefined;
  /** An episode that cannot be read is an error, where otherwise it is left out and a note says why. Default false. */
  readonly strict?: boolean | undefined;
  /** Frames between o and o'; default 1. */
  readonly stride?: number | undefined;
  /** Size of decoded frames; default: the longer side 32. */
  readonly resize?: { readonly width: number; readonly height: number } | undefined;
  /** Frames in colour; default grey. */
  readonly color?: boolean | undefined;
  /** Weight of the mirrored frames of another episode that are composited onto each one; default: none. */
  readonly distractor?: number | undefined;
}

const ACCEPTED = 'a LeRobot dataset folder (with meta/info.json), or a .npz, .parquet or .csv file';

/** Reads a user's data as transitions, checked: finite, not constant, enough of them. */
export async function openData(
  path: string,
  options: DataOptions = {},
  control: Control = {},
): Promise<Transitions> {
  checkOptions(options);
  const recorded = await read(path, options, control);
  return checked(transitionsOf(path, recorded, options));
}

async function read(path: string, options: DataOptions, control: Control): Promise<Episodes | Transitions> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'does not exist' : `cannot be read (${cause.code})`;
    throw new ExolamError('input', `${path} ${why}; expected ${ACCEPTED}`, { cause });
  });
  if (found.isDirectory()) {
    const info = await stat(join(path, 'meta', 'info.json')).catch(() => undefined);
    if (!info) throw new ExolamError('data', `${path} has no meta/info.json; expected ${ACCEPTED}`);
    refuse(path, options, ['observationNext', 'episode']);
    return readLeRobot(path, options, control);
  }
  if (!found.isFile())
    throw new ExolamError('input', `${path} is neither a file nor a folder; expected ${ACCEPTED}`);
  switch (extname(path.replace(/\.gz$/i, '')).toLowerCase()) {
    case '.npz':
      return readNpz(path, options, control);
    case '.parquet':
    case '.csv':
    case '.tsv':
      refuse(path, options, ['resize', 'color']);
      return readColumns(path, await openTable(path, control), options);
    default:
      throw new ExolamError('input', `${path} is not a kind of file that can be read; expected ${ACCEPTED}`);
  }
}

function transitionsOf(path: string, recorded: Episodes | Transitions, options: DataOptions): Transitions {
  const { stride = 1, distractor, exclude = [] } = options;
  if ('list' in recorded) {
    const kept =
      exclude.length > 0 && !recorded.excluded ? withoutEpisodes(path, recorded, exclude) : recorded;
    return distractor === undefined ? toTransitions(kept, stride) : withDistractor(kept, stride, distractor);
  }
  const given =
    stride !== 1 ? `--stride ${stride}` : distractor !== undefined ? `--distractor ${distractor}` : undefined;
  if (given)
    throw new ExolamError(
      'input',
      `${given} needs episodes of frames, and the rows of ${path} are transitions already`,
    );
  return exclude.length > 0 ? withoutRows(path, recorded, exclude) : recorded;
}

function checkOptions({ stride, resize, distractor }: DataOptions): void {
  if (stride !== undefined && !(Number.isInteger(stride) && stride >= 1))
    throw new ExolamError('input', `--stride is ${stride}; expected a whole number of at least 1`);
  if (distractor !== undefined && !(Number.isFinite(distractor) && distractor >= 0))
    throw new ExolamError('input', `--distractor is ${distractor}; expected a weight of at least 0`);
  if (!resize) return;
  const fits = (side: number) => Number.isInteger(side) && side >= 1 && side <= 4096;
  if (!fits(resize.width) || !fits(resize.height))
    throw new ExolamError(
      'input',
      `--resize is ${resize.width}x${resize.height}; expected WIDTHxHEIGHT, whole numbers from 1 to 4096`,
    );
}

function refuse(path: string, options: DataOptions, names: readonly (keyof DataOptions)[]): void {
  const given = names.find((name) => options[name] !== undefined && options[name] !== false);
  if (given === undefined) return;
  const flag = given === 'observationNext' ? 'observation-next' : given;
  const why =
    given === 'resize' || given === 'color'
      ? 'is for images and videos'
      : 'is for tables and arrays; a LeRobot dataset says it itself';
  throw new ExolamError('input', `--${flag} ${why}, and DATA is ${path}`);
}
