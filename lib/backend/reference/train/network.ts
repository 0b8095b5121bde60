import { type NetworkShape, type Tensor, tensorsOf } from '../../train-requests.js';

/** Rows of numbers. */
export interface Block {
  readonly rows: number;
  readonly width: number;
  readonly at: Float64Array;
}

export function rowsBlock(rows: number, width: number, at = new Float64Array(rows * width)): Block {
  return { rows, width, at };
}

/** Blocks side by side. */
export function beside(...blocks: readonly Block[]): Block {
  const width = blocks.reduce((sum, b) => sum + b.width, 0);
  const out = rowsBlock(blocks[0]?.rows ?? 0, width);
  let begin = 0;
  for (const b of blocks) {
    for (let r = 0; r < b.rows; r++)
      out.at.set(b.at.subarray(r * b.width, (r + 1) * b.width), r * width + begin);
    begin += b.width;
  }
  return out;
}

/** Columns begin .. begin + width. */
export function columns(block: Block, begin: number, width: number): Block {
  const out = rowsBlock(block.rows, width);
  for (let r = 0; r < block.rows; r++)
    out.at.set(block.at.subarray(r * block.width + begin, r * block.width + begin + width), r * width);
  return out;
}

export function combine(a: Block, b: Block, f: (a: number, b: number) => number): Block {
  return rowsBlock(
    a.rows,
    a.width,
    a.at.map((v, i) => f(v, b.at[i])),
  );
}

/** Flat parameters by name, and a gradient of the same layout that layers add to. */
export class Parameters {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly gradient: Float64Array;

  constructor(
    readonly shape: NetworkShape,
    readonly values: ArrayLike<number>,
  ) {
    this.tensors = new Map(tensorsOf(shape).map((t) => [t.name, t]));
    this.gradient = new Float64Array(values.length);
  }

  tensor(name: string): Tensor {
    return this.tensors.get(name) as Tensor;
  }
}

/** rows W^T + b. */
export function linear(p: Parameters, name: string, input: Block): Block {
  const weight = p.tensor(`${name}.weight`);
  const bias = p.tensors.get(`${name}.bias`);
  const [outputs, inputs] = weight.shape as [number, number];
  const out = rowsBlock(input.rows, outputs);
  for (let r = 0; r < input.rows; r++)
    for (let o = 0; o < outputs; o++) {
      let sum = bias ? p.values[bias.offset + o] : 0;
      for (let i = 0; i < inputs; i++)
        sum += p.values[weight.offset + o * inputs + i] * input.at[r * inputs + i];
      out.at[r * outputs + o] = sum;
    }
  return out;
}

/** Adds to the gradient of the layer's parameters and returns that of its input. */
export function linearBack(p: Parameters, name: string, input: Block, back: Block): Block {
  const weight = p.tensor(`${name}.weight`);
  const bias = p.tensors.get(`${name}.bias`);
  const [outputs, inputs] = weight.shape as [number, number];
  const out = rowsBlock(input.rows, inputs);
  for (let r = 0; r < input.rows; r++)
    for (let o = 0; o < outputs; o++) {
      const g = back.at[r * outputs + o];
      if (bias) p.gradient[bias.offset + o] += g;
      for (let i = 0; i < inputs; i++) {
        const at = weight.offset + o * inputs + i;
        p.gradient[at] += g * input.at[r * inputs + i];
        out.at[r * inputs + i] += g * p.values[at];
      }
    }
  return out;
}

/** erf by its series with positive terms alone: right to rounding. */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > Number.EPSILON * Math.abs(sum) * 0.01; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

interface Activation {
  readonly value: (x: number) => number;
  readonly slope: (x: number) => number;
}

const normalDistribution = (x: number) => 0.5 * (1 + erf(x * Math.SQRT1_2));

const ACTIVATIONS: Record<NetworkShape['activation'], Activation> = {
  relu: { value: (x) => Math.max(0, x), slope: (x) => (x > 0 ? 1 : 0) },
  tanh: { value: Math.tanh, slope: (x) => 1 - Math.tanh(x) ** 2 },
  gelu: {
    value: (x) => x * normalDistribution(x),
    slope: (x) => normalDistribution(x) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI),
  },
};

/** What a map kept for its backward pass: the input and the sum of every layer. */
export interface Passed {
  readonly inputs: readonly Block[];
  readonly sums: readonly Block[];
  readonly output: Block;
}

/** The layers `name`.0, `name`.1, ... with the activation between them. */
export function forward(p: Parameters, name: 'encoder' | 'decoder', input: Block): Passed {
  const hidden = p.shape[name === 'encoder' ? 'encoderHidden' : 'decoderHidden'].length;
  const { value } = ACTIVATIONS[p.shape.activation];
  const inputs: Block[] = [];
  const sums: Block[] = [];
  let at = input;
  for (let layer = 0; layer <= hidden; layer++) {
    inputs.push(at);
    const sum = linear(p, `${name}.${layer}`, at);
    sums.push(sum);
    at = layer < hidden ? rowsBlock(sum.rows, sum.width, sum.at.map(value)) : sum;
  }
  return { inputs, sums, output: at };
}

/** Adds to the gradient of all layers and returns that of the input. */
export function backward(p: Parameters, name: 'encoder' | 'decoder', passed: Passed, back: Block): Block {
  const { slope } = ACTIVATIONS[p.shape.activation];
  let at = back;
  for (let layer = passed.inputs.length - 1; layer >= 0; layer--) {
    if (layer < passed.inputs.length - 1)
      at = combine(at, passed.sums[layer] as Block, (g, x) => g * slope(x));
    at = linearBack(p, `${name}.${layer}`, passed.inputs[layer] as Block, at);
  }
  return at;
}
