import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { chooseEpisodes, type EpisodeChoice } from '../choose.js';
import type { FrameOptions } from '../formats/pictures.js';
import { LeftOut } from '../left-out.js';
import { ranges } from '../names.js';
import type { Episode, Episodes, Values } from '../transitions.js';
import { type FrameSource, hasDeepImages, isDepthVideo, readFrames, sizeOf } from './frames.js';
import { actionKey, exogenousKey, kindOf, observationKey } from './keys.js';
import { type EpisodeMeta, isV3, listEpisodes, readInfo } from './meta.js';
import { type Recorded, readRows } from './rows.js';
import type { FrameSize } from './video.js';

export interface LeRobotOptions extends FrameOptions, EpisodeChoice {
  /** Feature that is observed; default `observation.state`, else the only one there is. */
  readonly observation?: string | undefined;
  /** Default `action`, if there. */
  readonly action?: string | undefined;
  /** Vector feature that is the exogenous state of each frame; default: none. */
  readonly exogenous?: string | undefined;
  /** An episode that cannot be read is an error. */
  readonly strict?: boolean | undefined;
}

/** A LeRobot dataset folder, v2.0, v2.1 or v3.0, or as much of one as is there. */
export async function readLeRobot(
  folder: string,
  options: LeRobotOptions,
  control: Control,
): Promise<Episodes> {
  const info = await readInfo(folder);
  const notes: string[] = [];
  const key = observationKey(folder, info, options.observation, notes);
  const feature = info.features[key];
  const kind = kindOf(key, feature);
  if (kind === 'vector' && (options.resize || options.color))
    throw new ExolamError(
      'input',
      `--resize and --color are for images and videos, and "${key}" is a vector feature`,
    );
  const action = actionKey(folder, info, options.action, notes);
  const exogenous = exogenousKey(folder, info, options.exogenous);
  const leftOut = new LeftOut(folder, options.strict ?? false);

  const listed = await listEpisodes(folder, info, kind === 'video' ? key : undefined, control, notes);
  const choice = chooseEpisodes(folder, new Set(listed.map(({ index }) => index)), options);
  notes.push(...choice.notes);
  const wanted = listed.filter(({ index }) => choice.wanted.has(index));
  const { there, absent } = await split(folder, wanted, isV3(info), leftOut);
  const columns = { observation: kind === 'vector' ? key : undefined, action, exogenous };
  const rows = await readRows(folder, there, columns, isV3(info), leftOut, control, notes);
  absent.push(...rows.absent);
  absent.sort((a, b) => a - b);
  noteAbsent(folder, absent, listed.length, options.strict ?? false, notes);
  const whole = rows.recorded.filter(({ meta, length }) => {
    if (length === 0) leftOut.add(meta.index, 'it has no rows');
    return length > 0;
  });
  if (whole.length === 0 && leftOut.size > 0) throw leftOut.error();

  const source: FrameSource | undefined = kind === 'vector' ? undefined : { folder, info, key, kind };
  const deep =
    kind === 'image' ? await hasDeepImages(source as FrameSource, whole, control) : isDepthVideo(feature);
  const size = source && sizeOf(feature, options, deep);
  const frames = source && size && (await readFrames(source, whole, size, leftOut, control, notes));
  const recorded = whole.filter(({ meta }) => !leftOut.has(meta.index));
  if (recorded.length === 0) throw leftOut.error();
  const width = (of: (r: Recorded) => Float64Array | undefined, what = '') => widthOf(recorded, of, what);
  const observationDim = size
    ? size.width * size.height * size.channels
    : width(({ vectors }) => vectors, key);
  requireShape(folder, key, feature.shape, size ? undefined : observationDim);
  return {
    observationDim,
    actionDim: width(({ action }) => action, action),
    exogenousDim: width(({ exogenous }) => exogenous, exogenous),
    scale: size ? (size.bytes === 2 ? 1 / 65535 : 1 / 255) : 1,
    image: size,
    list: recorded.map((r): Episode => {
      const pixels = frames?.get(r.meta.index);
      return {
        number: r.meta.index,
        length: r.length,
        observation: pixels ? valuesOf(pixels, size as FrameSize) : (r.vectors as Float64Array),
        action: r.action,
        exogenous: r.exogenous,
        breaks: r.breaks,
      };
    }),
    listed: listed.length,
    absent,
    notes: [...notes, ...leftOut.notes()],
    chosen: true,
  };
}

function valuesOf(bytes: Uint8Array, size: FrameSize): Values {
  return size.bytes === 2 ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1) : bytes;
}

function requireShape(
  folder: string,
  key: string,
  shape: readonly number[],
  found: number | undefined,
): void {
  const expected = shape.reduce((product, n) => product * n, 1);
  if (found !== undefined && found !== expected)
    throw new ExolamError(
      'data',
      `${folder}: ${key} has ${found} numbers per row, and meta/info.json says its shape is (${shape.join(', ')})`,
    );
}

/** Episodes whose files are there, and the numbers of the others; all absent is an error. */
async function split(folder: string, listed: readonly EpisodeMeta[], anyFile: boolean, leftOut: LeftOut) {
  const files = new Map<string, boolean>();
  const exists = async (file: string | undefined): Promise<boolean> => {
    if (file === undefined) return true;
    let found = files.get(file);
    if (found === undefined) {
      found = await access(join(folder, file)).then(
        () => true,
        () => false,
      );
      files.set(file, found);
    }
    return found;
  };
  const there: EpisodeMeta[] = [];
  const absent: number[] = [];
  for (const meta of listed) {
    // Where rows are found by their index, the file that is named need not be theirs.
    const data = (await exists(meta.dataFile)) || anyFile;
    if (!data || !(await exists(meta.videoFile))) absent.push(meta.index);
    else if (meta.problem !== undefined) leftOut.add(meta.index, meta.problem);
    else there.push(meta);
  }
  if (there.length === 0 && absent.length > 0 && leftOut.size === 0) {
    const missing = [...files].filter(([, found]) => !found).map(([file]) => file);
    const shown =
      missing.slice(0, 3).join(', ') + (missing.length > 3 ? ` and ${missing.length - 3} more` : '');
    throw new ExolamError(
      'data',
      `${folder} has the files of none of its ${listed.length} episodes (a partial download?); missing: ${shown}`,
    );
  }
  return { there, absent };
}

function noteAbsent(
  folder: string,
  absent: readonly number[],
  listed: number,
  strict: boolean,
  notes: string[],
): void {
  if (absent.length === 0) return;
  const sentence = `${absent.length} of ${listed} episodes that the metadata lists are absent from the folder: ${ranges(absent)}`;
  if (strict) throw new ExolamError('data', `${folder}: ${sentence}, and --strict asks for all`);
  notes.push(sentence);
}

function widthOf(
  recorded: readonly Recorded[],
  values: (r: Recorded) => Float64Array | undefined,
  what: string,
): number {
  let width = 0;
  for (const r of recorded) {
    const array = values(r);
    if (!array || r.length === 0) continue;
    const here = array.length / r.length;
    if (width > 0 && here !== width)
      throw new ExolamError(
        'data',
        `${r.file}: ${what} has ${here} numbers per row, and ${width} in other episodes`,
      );
    width = here;
  }
  return width;
}
