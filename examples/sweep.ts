import { solveColumns } from 'exolam';

// A phase diagram: how strong a clutter, and how strong a remedy, for a million pairs of the two.
const side = 1000;
const exogenousScale = new Float64Array(side * side);
const weight = new Float64Array(side * side);
for (let i = 0; i < side; i++)
  for (let j = 0; j < side; j++) {
    exogenousScale[i * side + j] = (3 * i) / (side - 1);
    weight[i * side + j] = (5 * j) / (side - 1);
  }
const { metrics } = await solveColumns({
  world: { observationDim: 128 },
  objective: { kind: 'action-supervised', weight: 1 },
  latentDims: [3],
  columns: { exogenousScale, 'action-supervised.weight': weight },
});
const leaks = (metrics.futureLeakage as Float64Array).filter((share) => share > 0.01).length;
console.log(`${((100 * leaks) / side ** 2).toFixed(1)} % of the settings leak`);
