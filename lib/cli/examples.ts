/**
 * What `--help` of each command shows to try: lines for a shell, which work in an empty folder in this order, but for those of
 * data that only the reader has.
 */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  solve: [
    `echo '{ "objective": { "kind": "reconstruction" }, "latentDim": 3 }' > case.json`,
    'exolam solve case.json',
    'exolam solve case.json --format csv --out answers.csv',
  ],
  generate: [
    `echo '{ "mixing": "gaussian", "sensorNoise": 0.02, "seed": 1 }' > world.json`,
    'exolam generate world.json --samples 2000 --pairs --out data.npz',
  ],
  analyze: [
    'exolam analyze data.npz --latent-dim 3',
    'exolam analyze data.npz --latent-dim 1:4 --no-remedies --json > analysis.json',
    'exolam analyze path/to/lerobot-dataset --observation observation.images.front --resize 20x15 --stride 5',
    `awk 'BEGIN { print "episode,obs_0,act_0"; for (e = 0; e < 8; e++) for (t = s = late = 0; t < 50; t++) { a = rand(); print e "," s "," late; s += a; late = a } }' > late.csv`,
    'exolam analyze late.csv --action-lag -2:2 --no-remedies',
    'exolam analyze late.csv --stride 1,2,5 --action-lag 1 --no-remedies --json > scan.json',
  ],
  verify: ['exolam verify --only T4,T6 --trials 10'],
  reproduce: ['exolam reproduce --quick --out reproduction'],
  sweep: [
    `echo '{ "grid": { "exogenousScale": { "range": [0.5, 3, 11] } }, "latentDim": 3 }' > spec.json`,
    'exolam sweep spec.json --dry-run',
    'exolam sweep spec.json --out sweep',
  ],
  'sweep status': ['exolam sweep status sweep'],
  query: [
    'exolam query sweep "SELECT exogenousScale, innovationLeakage FROM sweep ORDER BY exogenousScale"',
    'exolam query sweep "SELECT count(*) FROM sweep WHERE futureLeakage > 0.01" --format csv',
  ],
  train: [
    `echo '{ "world": {}, "model": { "kind": "linear", "latentDim": 3 }, "steps": 500 }' > config.json`,
    'exolam train config.json --out run',
  ],
  report: [
    'exolam report sweep',
    'exolam report run',
    'exolam report analysis.json --out page.html',
    'exolam report scan.json',
  ],
  bench: ['exolam bench --quick', 'exolam bench --only population'],
  'build-addon': ['exolam build-addon'],
  info: ['exolam info', 'exolam info --json'],
};

export function examplesText(command: string): string {
  const lines = EXAMPLES[command] ?? [];
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}\n`;
}
