import { theorems } from '../theorems/index.js';
import { verify } from '../theorems/verify.js';
import { need, type Run, type Study, type Tables } from './study.js';
import { rowsOf, tableOf } from './table.js';

/** Does every check of a reproduction hold? */
export function allHold({ tables }: { readonly tables: Tables }): boolean {
  return rowsOf(need(tables, 'statements')).every((row) => row['verdict'] === 'holds');
}

/** Every statement with its check: predicted, measured, and which claim it formalises. */
export const statements: Study = {
  name: 'statements',
  title: 'The statements and their checks',
  theorems: theorems.map(({ id }) => id),
  claims: ['C1', 'C2', 'C3'],
  cost: 14,
  async measure(run: Run) {
    const { signal, threads, backend } = run;
    const { checks } = await verify({
      trials: run.spec.trials,
      seed: run.spec.seed,
      signal,
      threads,
      backend,
      onProgress: run.advance,
    });
    return [
      tableOf(
        'statements',
        'theorem checks: the comparison of each that came nearest to its tolerance',
        {
          statement: ['T1 to T11'],
          claim: ['which claim it formalises'],
          title: ['in one line'],
          predicted: ['by the formula'],
          measured: ['by a route that does not know it'],
          error: ['their difference, on the scale of the comparison'],
          tolerance: ['accepted error'],
          verdict: ['holds or FAILS'],
        },
        checks.map((c) => ({
          statement: c.id,
          claim: c.claim,
          title: theorems.find(({ id }) => id === c.id)?.title ?? '',
          predicted: c.predicted,
          measured: c.measured,
          error: c.worst,
          tolerance: c.tolerance,
          verdict: c.passed ? 'holds' : 'FAILS',
        })),
      ),
    ];
  },
  read(tables, spec) {
    const rows = rowsOf(need(tables, 'statements'));
    const holding = rows.filter((row) => row['verdict'] === 'holds').length;
    return {
      sentence: `${holding} of ${rows.length} statements hold in every one of the random worlds that they were checked on (${spec.trials} trials each).`,
      drawings: [],
    };
  },
};
