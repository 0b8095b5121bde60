import { fitLinearLam, LinearLam, sampleTransitions } from 'exolam';

const world = { exogenousScale: 2, sensorNoise: 0.1 };
const lam = await fitLinearLam({ world, objective: { kind: 'reconstruction' }, latentDim: 4 });
await lam.save('lam.safetensors');

const loaded = await LinearLam.load('lam.safetensors'); // the same bits
let squares = 0;
const samples = 20_000;
for await (const { observation, observationNext } of sampleTransitions(world, { samples })) {
  const z = loaded.encode(observation, observationNext); // (rows, latentDim)
  const predicted = loaded.decode(observation, z); // (rows, observationDim)
  predicted.forEach((value, i) => {
    squares += (value - observationNext[i]) ** 2;
  });
}
console.log(`squared error: ${lam.loss.toFixed(2)} by theory, ${(squares / samples).toFixed(2)} on samples`);

const still = new Float64Array(2 * lam.observationDim).fill(1);
const moved = (z: Float64Array) => Math.max(...z.map(Math.abs)) > 1e-9;
console.log(
  `latents of a frame that does not change, innovation: ${moved(lam.encode(still, still)) ? 'some' : 'zero'}`,
);
const difference = lam.withGauge('difference');
console.log(`the same, difference: ${moved(difference.encode(still, still)) ? 'some' : 'zero'}`);
