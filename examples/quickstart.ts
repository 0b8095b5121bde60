import { solve } from 'exolam';

const world = { actionScale: 1, exogenousScale: 2 }; // the clutter moves twice as much as the agent
for (const objective of [{ kind: 'reconstruction' }, { kind: 'action-supervised', weight: 5 }] as const) {
  const { metrics } = await solve({ world, objective, latentDim: 3 });
  console.log(`${objective.kind}: three latents`);
  console.log(`  miss ${((metrics.actionError ?? 0) * 100).toFixed(0)} % of the action`);
  console.log(`  carry ${((metrics.futureLeakage ?? 0) * 100).toFixed(0)} % of what is new in the clutter`);
}
