/** Coverage of the intervals on data by the number of episodes: npx tsx bench/coverage/main.ts [worlds a cell]. */
import { defaultBackend } from '../../lib/backend/select.js';
import { coverage, falseAnswers } from './coverage.js';

const worlds = Number(process.argv[2] ?? 200);
const cells = [
  [6, 60],
  [10, 60],
  [20, 60],
  [40, 40],
] as const;

console.log('coverage of the 95 % intervals (without refitting) [not measurable] median width');
for (const [episodes, rows] of cells) {
  for (const c of await coverage(worlds, episodes, rows, defaultBackend())) {
    const share = (count: number) => (count / c.measured).toFixed(3);
    const absent = (1 - c.measured / c.worlds).toFixed(2);
    console.log(
      `${episodes} episodes  ${c.metric.padEnd(22)} ${share(c.held)}  (${share(c.heldResampled)})  [${absent}]  ${c.medianWidth.toFixed(3)}`,
    );
  }
  const { leaks, knows } = await falseAnswers(worlds, episodes, rows, defaultBackend());
  console.log(
    `${episodes} episodes  nothing to find: leaks ${(leaks / worlds).toFixed(3)}, knows the action ${(knows / worlds).toFixed(3)}`,
  );
}
