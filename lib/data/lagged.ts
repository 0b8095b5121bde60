// Actions that stand some rows before or after their transition, where the rows are transitions already: only rows that continue
// each other say which action came before.
import { ExolamError } from '../base/errors.js';
import { rowsOf } from './choose.js';
import { continuedRows } from './continued.js';
import { lagNote, reachOf, type Step, type Transitions } from './transitions.js';

/** The transitions with the actions of other rows of their trajectory; rows that lack an action at one of the lags are left out. */
export function laggedRows(path: string, t: Transitions, step: Omit<Step, 'stride'>): Transitions {
  const { action, actionDim: da } = t;
  if (!action) throw noAction(path);
  const { actionLag = 0 } = step;
  const { before, after } = reachOf({ stride: 1, ...step });
  if (before + after === 0) return t;
  const found = continuedRows(t.observation, t.observationNext, t.count, t.observationDim);
  if (!found)
    throw new ExolamError(
      'data',
      `--action-lag needs rows that continue each other, o' of one being o of another, and those of ${path} do not: nothing says which action came before`,
    );
  const together = (row: number, other: number) =>
    t.episode[row] === t.episode[other] && found.episode[row] === found.episode[other];
  const kept: number[] = [];
  for (let row = before; row + after < t.count; row++)
    if (together(row - before, row) && together(row, row + after)) kept.push(row);
  const moved = new Float64Array(kept.length * da);
  kept.forEach((row, i) => {
    moved.set(action.subarray((row + actionLag) * da, (row + actionLag + 1) * da), i * da);
  });
  return {
    ...rowsOf(t, kept),
    action: moved,
    notes: actionLag === 0 || step.lags ? t.notes : [...t.notes, lagNote(actionLag)],
  };
}

/** A lag of actions where there are none. */
export function noAction(path: string): ExolamError {
  return new ExolamError('input', `--action-lag needs actions, and there are none in ${path}`);
}
