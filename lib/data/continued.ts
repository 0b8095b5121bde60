import type { Values } from './transitions.js';

/** Strides that are looked for, and rows that are asked first. */
const MOST_STRIDE = 60;
const ASKED = 400;
/** Share of the rows that must continue, and may at an unrelated distance: few states repeat by chance. */
const CONTINUING = 0.5;
const BY_CHANCE = 0.1;

/** Trajectories that rows without an episode turn out to be. */
export interface Continued {
  readonly stride: number;
  /** (rows): the trajectory of each row. */
  readonly episode: Int32Array;
  readonly trajectories: number;
}

/**
 * Rows whose o' is the o of a row `stride` further on are steps of one trajectory, and no more independent than its frames:
 * null where they are not. A trajectory ends where no row reaches across.
 */
export function continuedRows(observation: Values, next: Values, rows: number, d: number): Continued | null {
  const continues = (row: number, stride: number) => {
    const other = row + stride;
    if (other >= rows) return false;
    for (let j = 0; j < d; j++) if (next[row * d + j] !== observation[other * d + j]) return false;
    return true;
  };
  const share = (stride: number) => {
    const last = rows - stride;
    const asked = Math.min(ASKED, last);
    let found = 0;
    for (let i = 0; i < asked; i++) found += Number(continues(Math.floor((i * last) / asked), stride));
    return asked > 0 ? found / asked : 0;
  };
  const most = Math.min(MOST_STRIDE, Math.floor(rows / 2));
  let stride = 1;
  while (stride <= most && share(stride) < CONTINUING) stride++;
  if (stride > most || share(Math.floor(rows / 2)) > BY_CHANCE) return null;
  const episode = new Int32Array(rows);
  let reaches = -1;
  let trajectory = -1;
  for (let row = 0; row < rows; row++) {
    if (row > reaches) trajectory++;
    episode[row] = trajectory;
    if (continues(row, stride)) reaches = row + stride;
  }
  return { stride, episode, trajectories: trajectory + 1 };
}

/** What is said of rows without an episode. */
export function noteOf(found: Continued | null): string {
  if (!found) return 'rows are independent transitions: each one counts as an episode of its own';
  const { stride, trajectories } = found;
  const of = trajectories === 1 ? 'one trajectory' : `${trajectories} trajectories`;
  const on = stride === 1 ? 'the next row' : `the row ${stride} further on`;
  return `rows continue each other, o' of one is o of ${on}: they are read as ${of}, not as independent transitions; an episode number for each row says otherwise`;
}
