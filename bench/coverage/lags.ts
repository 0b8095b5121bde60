// How often a scan of lags says what: worlds of known truth, by episodes. The figures of docs/estimates.md, "Strides and lags":
//   npx tsx bench/coverage/lags.ts [worlds a cell]
import { scanTransitions } from '../../lib/data/index.js';
import { normals } from '../../lib/random/philox.js';
import { analyzeScan } from '../../lib/verdict/index.js';

const LAGS = [-2, -1, 0, 1, 2];
const FRAMES = 40;
const worlds = Number(process.argv[2] ?? 100);

/**
 * In each, s' = 0.9 s + effect a + noise with persistent actions, a = 0.7 of the last one + u; but for `tie`, where s adds up what
 * is done, from far away, and a row holds what is done at it and before it: lags 0 and 1 tell the same.
 */
const KINDS = { none: 0, weak: 0.15, strong: 1, tie: 1 } as const;
type Kind = keyof typeof KINDS;

function recorded(kind: Kind, episodes: number, seed: number) {
  const z = normals(seed, 7, 0, episodes * (FRAMES + 1) * 6);
  let at = 0;
  const pair = (): [number, number] => [z[at++], z[at++]];
  const observations: number[][] = [];
  const actions: number[][] = [];
  const episodeEnds: number[] = [];
  for (let e = 0; e < episodes; e++) {
    let [s, a, before]: number[][] = [pair().map((v) => (kind === 'tie' ? 10 * v : v)), [0, 0], pair()];
    for (let t = 0; t < FRAMES; t++) {
      observations.push(s);
      const [u, w] = [pair(), pair()];
      if (kind === 'tie') {
        actions.push(u.map((v, j) => v + before[j]));
        s = s.map((v, j) => v + u[j]);
        before = u;
        continue;
      }
      a = a.map((last, j) => 0.7 * last + u[j]);
      actions.push(a);
      s = s.map((v, j) => 0.9 * v + KINDS[kind] * a[j] + w[j]);
    }
    episodeEnds.push(observations.length);
  }
  return { observations, actions, episodeEnds };
}

console.log('world, episodes: share of worlds that are called in step, shifted, cannot tell');
for (const kind of Object.keys(KINDS) as Kind[])
  for (const episodes of [4, 6, 10, 20]) {
    const count = { 'in-step': 0, shifted: 0, 'cannot-tell': 0 };
    for (let seed = 1; seed <= worlds; seed++) {
      const scan = scanTransitions({ ...recorded(kind, episodes, seed), actionLag: LAGS });
      const { alignment } = await analyzeScan(scan, {
        latentDims: [1],
        objectives: [{ kind: 'reconstruction' }],
        remedies: false,
      });
      if (alignment) count[alignment.answer]++;
    }
    const shares = Object.values(count).map((n) => (n / worlds).toFixed(2));
    console.log(`${kind}, ${episodes}: ${shares.join(', ')}`);
  }
