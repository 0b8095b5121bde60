import { stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Control } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import { checked } from './checks.js';
import { withDistractor } from './distractor.js';
import { readColumns } from './formats/columns.js';
import { readNpz } from './formats/npz.js';
import { readLeRobot } from './lerobot/lerobot.js';
import { type Episodes, type Transitions, toTransitions } from './transitions.js';

/** What a user says about their data; the names are those of the command line's options. */
export interface DataOptions {
  /** Feature of a LeRobot dataset, or pattern of column names. */
  readonly observation?: string | undefined;
  readonly action?: string | undefined;
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
    return readLeRobot(path, options, control);
  }
  if (!found.isFile())
    throw new ExolamError('input', `${path} is neither a file nor a folder; expected ${ACCEPTED}`);
  refuse(path, options, ['resize', 'color']);
  switch (extname(path).toLowerCase()) {
    case '.npz':
      refuse(path, options, ['observation', 'action']);
      return readNpz(path, control);
    case '.parquet':
    case '.csv':
      return readColumns(path, options, control);
    default:
      throw new ExolamError('input', `${path} is not a kind of file that can be read; expected ${ACCEPTED}`);
  }
}

function transitionsOf(path: string, recorded: Episodes | Transitions, options: DataOptions): Transitions {
  const { stride = 1, distractor } = options;
  if ('list' in recorded)
    return distractor === undefined
      ? toTransitions(recorded, stride)
      : withDistractor(recorded, stride, distractor);
  const given =
    stride !== 1 ? `--stride ${stride}` : distractor !== undefined ? `--distractor ${distractor}` : undefined;
  if (given)
    throw new ExolamError(
      'input',
      `${given} needs episodes of frames, and the rows of ${path} are transitions already`,
    );
  return recorded;
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
  const why =
    given === 'resize' || given === 'color'
      ? 'is for the images and videos of a LeRobot dataset'
      : 'does not apply to .npz files, whose arrays have fixed names';
  throw new ExolamError('input', `--${given} ${why}, and DATA is ${path}`);
}
