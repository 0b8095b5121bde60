// TensorFlow.js, its WebAssembly backend on one thread, on the training cases of `exolam bench --peers` (bench/training.ts).
//
//   node tfjs_peer.mjs SECONDS < tasks
//
// Tasks and answers as in numpy_peer.py; steps start from random parameters, so no figures are compared.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const SECONDS = Number(process.argv[2]);
const require = createRequire(import.meta.url);
console.log = console.warn = () => {}; // it advertises itself on stdout
const tf = require('@tensorflow/tfjs');
const wasm = require('@tensorflow/tfjs-backend-wasm');

const binaries = join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist');
wasm.setWasmPaths(`${binaries}/`);
wasm.setThreadsCount(1);
await tf.setBackend('wasm');
await tf.ready();

/** A layer's weights and biases, uniform within 1 / sqrt(inputs). */
function dense(inputs, outputs) {
  const bound = inputs ** -0.5;
  const of = (shape) => tf.variable(tf.randomUniform(shape, -bound, bound));
  return [of([inputs, outputs]), of([outputs])];
}

function linear({ observationDim: d, latentDim: k }) {
  const [a, b, c, e] = [dense(d, d), dense(k, d), dense(d, k), dense(d, k)].map(([weight]) => weight);
  const forward = (o, after) => o.matMul(a).add(o.matMul(c).add(after.matMul(e)).matMul(b));
  return { forward, variables: [a, b, c, e] };
}

/** GELU as its definition says it: there is no such function. */
const gelu = (x) => x.mul(x.mul(Math.SQRT1_2).erf().add(1).mul(0.5));

function mlp({ observationDim: d, latentDim: k, hidden: h, model }) {
  const act = model === 'gelu' ? gelu : (x) => x.relu();
  const layers = [dense(2 * d, h), dense(h, h), dense(h, k), dense(d + k, h), dense(h, h), dense(h, d)];
  const chain = (from, x) => {
    const [first, second, third] = layers.slice(from, from + 3).map(
      ([weight, bias]) =>
        (input) =>
          input.matMul(weight).add(bias),
    );
    return third(act(second(act(first(x)))));
  };
  const forward = (o, after) => chain(3, tf.concat([o, chain(0, tf.concat([o, after], 1))], 1));
  return { forward, variables: layers.flat() };
}

function stepper(batch, task) {
  const { observationDim: d, actionDim: da } = task;
  const columns = () => tf.linalg.gramSchmidt(tf.randomNormal([da, d]));
  const [x, y] = [columns(), columns().mul(0.5)];
  const { forward, variables } = task.model === 'linear' ? linear(task) : mlp(task);
  const adam = tf.train.adam(1e-3);
  const step = () =>
    tf.tidy(() => {
      const o = tf.randomNormal([batch, d]);
      const after = o.add(tf.randomNormal([batch, da]).matMul(x)).add(tf.randomNormal([batch, da]).matMul(y));
      adam.minimize(() => after.sub(forward(o, after)).square().sum(1).mean(), false, variables);
    });
  return (steps) => {
    for (let i = 0; i < steps; i++) step();
    variables[0].dataSync();
  };
}

/** The least processor time, and the least and median wall time, of one step. */
function measured(run, items) {
  run(1);
  const [cpu, wall] = [[], []];
  const end = performance.now() + 1e3 * SECONDS;
  while (cpu.length < 3 || performance.now() < end) {
    const [clock, before] = [performance.now(), process.cpuUsage()];
    run(items);
    const { user, system } = process.cpuUsage(before);
    cpu.push((user + system) * 1e-6);
    wall.push((performance.now() - clock) * 1e-3);
  }
  return {
    seconds: Math.min(...cpu) / items,
    wall: Math.min(...wall) / items,
    wallMedian: wall.sort((a, b) => a - b)[wall.length >> 1] / items,
    items,
    samples: cpu.length,
  };
}

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
print({ peer: 'TensorFlow.js', version: tf.version.tfjs });
for (const line of readFileSync(0, 'utf8').split('\n')) {
  const [name, kind, n, , items, path] = line.split('\t');
  if (kind !== 'training-step') continue;
  const task = JSON.parse(readFileSync(path, 'utf8'));
  // So slow that a few steps are time enough.
  const steps = Math.ceil(Number(items) / 5);
  const times = measured(stepper(Number(n), task), steps);
  print({ case: name, peer: 'TensorFlow.js', detail: 'wasm, train.adam', ...times, figures: null });
}
