import { stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { z } from 'zod';
import { controlSchema } from '../backend/control.js';
import type { Control } from '../backend/requests.js';
import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { describes, integer, numberThat, parse, parseOptions, pathField } from '../base/validate.js';
import { checked } from './checks.js';
import { wantedEpisodes, wantedRows } from './choose.js';
import { withDistractor } from './distractor.js';
import { openTable, readColumns } from './formats/columns.js';
import { conversion } from './formats/conversion.js';
import { readFolder, tablesIn } from './formats/folder.js';
import { readHdf5 } from './formats/hdf5.js';
import { readNpz } from './formats/npz.js';
import { readNpy } from './formats/single.js';
import { readSafetensors } from './formats/tensors.js';
import { isZarr, readZarr } from './formats/zarr.js';
import { laggedRows, noAction } from './lagged.js';
import { readLeRobot } from './lerobot/lerobot.js';
import { isVideo, readRecordings, recordingOf, recordingsIn } from './pictures/folder.js';
import {
  planOf,
  type ScanAxes,
  scanFields,
  scanOfFrames,
  scanOfRows,
  stepFields,
  type TransitionScan,
} from './scan.js';
import { type Episodes, type Step, type Transitions, toTransitions } from './transitions.js';

/** What a user says about their data; the names are those of the command line's options. */
export interface DataOptions {
  /** What is o: a feature of a LeRobot dataset, or a pattern of column names. Default: its state, or the columns `obs_*`. */
  readonly observation?: string | undefined;
  /** What is the action: likewise. Default: the feature `action`, or the columns `act_*`, where there are any. */
  readonly action?: string | undefined;
  /** Array or columns of o', where rows are transitions. Default: those of its usual names. */
  readonly observationNext?: string | undefined;
  /** Array, columns or feature of x, the exogenous state of each row. Default: the array `exogenous`, where there is one. */
  readonly exogenous?: string | undefined;
  /** Array or columns of x'. Default: that of its usual names, where there is one; of frames, x of the next frame. */
  readonly exogenousNext?: string | undefined;
  /** Array or column of the number of each row's episode. Default: that of its usual names. */
  readonly episode?: string | undefined;
  /** Numbers of the episodes that are read, at least one. Default: all. */
  readonly episodes?: readonly number[] | undefined;
  /** Numbers of episodes that are left out. Default: none. */
  readonly exclude?: readonly number[] | undefined;
  /** An episode that cannot be read is an error, where otherwise it is left out and a note says why. Default false. */
  readonly strict?: boolean | undefined;
  /** Frames between o and o', from 1. Default 1. Not for rows that are transitions already. */
  readonly stride?: number | undefined;
  /**
   * The action of a transition is that of so many rows after o's own, -1000 to 1000: 1 where a logger wrote each action one row late.
   * Rows without an action there are left out. Default 0.
   */
  readonly actionLag?: number | undefined;
  /** Size of decoded frames in pixels, each side 1 to 4096. Default: the longer side 32. Of images and videos alone. */
  readonly resize?: { readonly width: number; readonly height: number } | undefined;
  /** Frames in colour. Default false: grey. Of images and videos alone. */
  readonly color?: boolean | undefined;
  /** Weight, at least 0, of the mirrored frames of another episode that are composited onto each one. Default: none are. */
  readonly distractor?: number | undefined;
}

const name = z.string().min(1);
const side = integer(1, 4096);

/** {@link DataOptions}, checked. */
export const dataOptionsSchema = describes<DataOptions>()(
  z.strictObject({
    observation: name.optional(),
    action: name.optional(),
    observationNext: name.optional(),
    exogenous: name.optional(),
    exogenousNext: name.optional(),
    episode: name.optional(),
    episodes: z.array(integer(0)).min(1).optional(),
    exclude: z.array(integer(0)).optional(),
    strict: z.boolean().optional(),
    ...stepFields,
    resize: z.strictObject({ width: side, height: side }).optional(),
    color: z.boolean().optional(),
    distractor: numberThat('a weight of at least 0', (v) => v >= 0).optional(),
  }),
);

/** {@link DataOptions} with several strides, or several lags of the action. */
export interface ScanDataOptions extends Omit<DataOptions, keyof ScanAxes>, ScanAxes {}

const scanDataOptionsSchema = describes<ScanDataOptions>()(
  z.strictObject({ ...dataOptionsSchema.shape, ...scanFields }),
);

const ACCEPTED =
  'a LeRobot dataset folder (with meta/info.json), a zarr store, a folder of tables, videos or pictures, or a .npz, .npy, .safetensors, .hdf5, .parquet or .csv file or a video';

/** Reads a user's data as transitions, checked: finite, not constant, enough of them. */
export function openData(
  path: string,
  options: DataOptions = {},
  control: Control = {},
): Promise<Transitions> {
  return boundary('openData', async () => {
    parse(pathField, path, 'path');
    const known = parseOptions(dataOptionsSchema, options);
    return checked(transitionsOf(path, await found(path, known, control), known));
  });
}

/**
 * Reads a user's data once, as transitions at several strides or with actions at several lags, for `analyzeScan`:
 *
 *     await analyzeScan(await openScan('data.npz', { stride: [1, 2, 5, 10] }));
 */
export function openScan(
  path: string,
  options: ScanDataOptions,
  control: Control = {},
): Promise<TransitionScan> {
  return boundary('openScan', async () => {
    parse(pathField, path, 'path');
    const known = parseOptions(scanDataOptionsSchema, options);
    const plan = planOf(known);
    const { stride: _, actionLag: __, ...reading } = known;
    const recorded = await found(path, reading, control);
    return 'list' in recorded
      ? scanOfFrames(path, wanted(path, recorded, reading), plan, maker(reading))
      : scanOfRows(path, transitionsOf(path, recorded, reading), plan);
  });
}

/** What the file or folder holds. */
function found(path: string, options: DataOptions, control: Control): Promise<Episodes | Transitions> {
  const watched = parse(controlSchema, control, '', 'control');
  return read(path, options, watched).catch((error: NodeJS.ErrnoException) => {
    throw error.syscall === undefined || error instanceof ExolamError ? error : unreadable(path, error);
  });
}

/** What the system says of a file: no permission, a name that is too long, a disk that fails. */
function unreadable(path: string, error: NodeJS.ErrnoException): ExolamError {
  const which = (error.path ?? path).slice(0, 300);
  return new ExolamError('data', `${which} cannot be read (${error.code})`, { cause: error });
}

async function read(path: string, options: DataOptions, control: Control): Promise<Episodes | Transitions> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'does not exist' : `cannot be read (${cause.code})`;
    throw new ExolamError('input', `${path} ${why}; expected ${ACCEPTED}`, { cause });
  });
  if (found.isDirectory()) return readDirectory(path, options, control);
  if (!found.isFile())
    throw new ExolamError('input', `${path} is neither a file nor a folder; expected ${ACCEPTED}`);
  return readFile(path, options, control);
}

/** Options that name arrays, of which some data has one alone. */
const ARRAYS = ['observation', 'action', 'exogenous', 'observationNext', 'exogenousNext', 'episode'] as const;

async function readDirectory(path: string, options: DataOptions, control: Control) {
  if (await stat(join(path, 'meta', 'info.json')).catch(() => undefined)) {
    refuse(path, options, ['observationNext', 'episode']);
    return readLeRobot(path, options, control);
  }
  if (await isZarr(path)) return readZarr(path, options, control);
  const tables = await tablesIn(path);
  if (tables.length > 0) {
    refuse(path, options, ['resize', 'color']);
    return readFolder(path, tables, options, control);
  }
  const recordings = await recordingsIn(path);
  if (recordings.length === 0)
    throw new ExolamError(
      'data',
      `${path} has no meta/info.json; expected ${ACCEPTED}. ${await conversion(path)}`,
    );
  refuse(path, options, ARRAYS);
  return readRecordings(path, recordings, options, control);
}

function readFile(path: string, options: DataOptions, control: Control) {
  if (isVideo(path)) {
    refuse(path, options, ARRAYS);
    return readRecordings(path, [recordingOf(path)], options, control);
  }
  switch (extname(path.replace(/\.gz$/i, '')).toLowerCase()) {
    case '.npz':
      return readNpz(path, options, control);
    case '.npy':
      refuse(path, options, ARRAYS);
      return readNpy(path, options);
    case '.safetensors':
      return readSafetensors(path, options, control);
    case '.h5':
    case '.hdf5':
    case '.hdf':
      return readHdf5(path, options, control);
    case '.parquet':
    case '.csv':
    case '.tsv':
      refuse(path, options, ['resize', 'color']);
      return readTable(path, options, control);
    default:
      return otherwise(path);
  }
}

async function readTable(path: string, options: DataOptions, control: Control) {
  return readColumns(path, await openTable(path, control), options);
}

async function otherwise(path: string): Promise<never> {
  throw new ExolamError(
    'input',
    `${path} is not a kind of file that can be read; expected ${ACCEPTED}. ${await conversion(path)}`,
  );
}

const wanted = (path: string, recorded: Episodes, options: DataOptions) =>
  recorded.chosen ? recorded : wantedEpisodes(path, recorded, options);

/** Makes transitions of frames, composited where that is asked for. */
const maker =
  ({ distractor }: DataOptions) =>
  (episodes: Episodes, step: Step): Transitions =>
    distractor === undefined ? toTransitions(episodes, step) : withDistractor(episodes, step, distractor);

function transitionsOf(path: string, recorded: Episodes | Transitions, options: DataOptions): Transitions {
  const { stride = 1, actionLag, distractor } = options;
  if ('list' in recorded) {
    if (actionLag !== undefined && recorded.actionDim === 0) throw noAction(path);
    return maker(options)(wanted(path, recorded, options), { stride, actionLag });
  }
  const given =
    stride !== 1 ? `--stride ${stride}` : distractor !== undefined ? `--distractor ${distractor}` : undefined;
  if (given)
    throw new ExolamError(
      'input',
      `${given} needs episodes of frames, and the rows of ${path} are transitions already`,
    );
  const rows = wantedRows(path, recorded, options);
  return actionLag === undefined ? rows : laggedRows(path, rows, { actionLag });
}

function refuse(path: string, options: DataOptions, names: readonly (keyof DataOptions)[]): void {
  const given = names.find((name) => options[name] !== undefined && options[name] !== false);
  if (given === undefined) return;
  const flag = given.replace('Next', '-next');
  const why =
    given === 'resize' || given === 'color'
      ? 'is for images and videos'
      : 'is for tables and arrays; a LeRobot dataset says it itself';
  throw new ExolamError('input', `--${flag} ${why}, and DATA is ${path}`);
}
