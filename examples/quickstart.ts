import { solve } from 'exolam';

const world = { actionScale: 1, exogenousScale: 2 }; // the clutter moves twice as much as the agent
for (const [name, objective] of [
  ['reconstruction', { kind: 'reconstruction' }],
  ['action supervision', { kind: 'action-supervised', weight: 5 }],
] as const) {
  const { metrics } = await solve({ world, objective, latentDim: 3 });
  console.log(`${name}: action error ${metrics.actionError?.toFixed(3)}, future leakage ${metrics.futureLeakage?.toFixed(3)}`);
}
