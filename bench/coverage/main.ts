/**
 * Coverage of the intervals on data by the number of episodes, and where a strength is chosen inside the folds of 20:
 * npx tsx bench/coverage/main.ts [worlds a cell] [choice: the latter alone].
 */
import { defaultBackend } from '../../lib/backend/select.js';
import { coverage, coverageOfChoice, falseAnswers, SIZES } from './coverage.js';

const worlds = Number(process.argv[2] ?? 200);
const cells =
  process.argv[3] === 'choice'
    ? []
    : ([
        [6, 60],
        [10, 60],
        [20, 60],
        [40, 40],
      ] as const);

console.log('coverage of the 95 % intervals (without refitting) [not measurable] median width');
for (const [episodes, rows] of cells) {
  const { metrics, power } = await coverage(worlds, episodes, rows, defaultBackend());
  for (const c of metrics) {
    const share = (count: number) => (count / c.measured).toFixed(3);
    const absent = (1 - c.measured / c.worlds).toFixed(2);
    console.log(
      `${episodes} episodes  ${c.metric.padEnd(22)} ${share(c.held)}  (${share(c.heldResampled)})  [${absent}]  ${c.medianWidth.toFixed(3)}`,
    );
  }
  power.forEach((p, i) => {
    console.log(
      `${episodes} episodes  leak from ${i ? SIZES[i - 1] : 0} to ${SIZES[i]}: ${p.worlds} worlds, leaks ${(p.leaks / p.worlds).toFixed(2)}, does not leak ${(p.clean / p.worlds).toFixed(2)}`,
    );
  });
  const { leaks, knows } = await falseAnswers(worlds, episodes, rows, defaultBackend());
  console.log(
    `${episodes} episodes  nothing to find: leaks ${(leaks / worlds).toFixed(3)}, knows the action ${(knows / worlds).toFixed(3)}`,
  );
}
const { metrics, parted } = await coverageOfChoice(worlds, 20, 60, defaultBackend());
for (const c of metrics) {
  const share = (count: number) => (count / c.measured).toFixed(3);
  console.log(
    `20 episodes, a weight chosen inside the folds  ${c.metric.padEnd(22)} ${share(c.held)}, choosing anew ${share(c.heldChoosing)}  [${(1 - c.measured / worlds).toFixed(2)}]  ${c.medianWidth.toFixed(3)}`,
  );
}
console.log(`the folds chose different weights in ${parted} of ${worlds} worlds`);
