import { ExolamError } from '../../base/errors.js';
import { naturally, unknownName } from '../names.js';
import { ROLE_NAMES } from '../roles.js';
import type { Feature, Info } from './meta.js';

/** Bookkeeping columns of every dataset, never an observation. */
const BOOKKEEPING = [
  'timestamp',
  'frame_index',
  'episode_index',
  'index',
  'task_index',
  'next.done',
  'next.reward',
];

export type Kind = 'vector' | 'image' | 'video';

export function kindOf(key: string, { dtype }: Feature): Kind {
  if (dtype === 'video' || dtype === 'image') return dtype;
  if (/^(float|int|uint)\d+$|^bool$/.test(dtype)) return 'vector';
  throw new ExolamError(
    'input',
    `--observation "${key}" holds ${dtype} values; expected numbers, images or a video`,
  );
}

/** The observed feature: `observation.state`, else the only observation there is, else one of another usual name. */
export function observationKey(
  folder: string,
  info: Info,
  given: string | undefined,
  notes: string[],
): string {
  const known = Object.keys(info.features).filter((name) => !BOOKKEEPING.includes(name));
  if (given !== undefined) {
    if (!Object.hasOwn(info.features, given)) throw unknownName('--observation', given, folder, known);
    return given;
  }
  const candidates = known.filter((name) => name.startsWith('observation'));
  const usual = ROLE_NAMES.observation.find((name) => known.includes(name));
  const key = candidates.includes('observation.state')
    ? 'observation.state'
    : candidates.length === 1
      ? candidates[0]
      : candidates.length === 0
        ? usual
        : undefined;
  if (key === undefined)
    throw new ExolamError(
      'input',
      `--observation is needed: it names one of ${known.sort(naturally).join(', ')}`,
    );
  notes.push(`the observation is ${key}; --observation picks another of ${known.sort(naturally).join(', ')}`);
  return key;
}

function vectorsOf(info: Info): string[] {
  return Object.keys(info.features).filter(
    (name) => !/^(video|image|string)$/.test(info.features[name]?.dtype ?? ''),
  );
}

/** The action: the feature of that name, or of another usual one, which a note tells. */
export function actionKey(
  folder: string,
  info: Info,
  given: string | undefined,
  notes: string[],
): string | undefined {
  const vectors = vectorsOf(info);
  if (given !== undefined) {
    if (!vectors.includes(given)) throw unknownName('--action', given, folder, vectors);
    return given;
  }
  if (vectors.includes('action')) return 'action';
  const others = ROLE_NAMES.action.filter((name) => vectors.includes(name));
  const like = vectors.filter((name) => /action/i.test(name));
  const key = others[0] ?? (like.length === 1 ? like[0] : undefined);
  if (key !== undefined) notes.push(`the action is ${key}; --action picks another feature`);
  else if (like.length > 1)
    notes.push(`there is no feature "action"; --action picks one of ${like.sort(naturally).join(', ')}`);
  return key;
}

/** The exogenous state of each frame, where the user names one. */
export function exogenousKey(folder: string, info: Info, given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  const vectors = vectorsOf(info);
  if (!vectors.includes(given)) throw unknownName('--exogenous', given, folder, vectors);
  return given;
}
