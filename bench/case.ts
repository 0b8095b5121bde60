/** What is measured: a case is one question, and each contender answers it on the same numbers in its own way. */
export interface Case {
  readonly name: string;
  /** What one item is: a matrix, a configuration, a row. Times are for one. */
  readonly unit: string;
  /**
   * Floating-point operations of one item by the textbook's count: with the CPU's peak, the least time it can take.
   */
  readonly operations?: number;
  /** What they are made in, default f64. Of f32 twice as many fit into a vector, so its peak is twice that of f64. */
  readonly precision?: 'f32';
  /** Bytes of one item that must be written to memory: with the memory's bandwidth, likewise. */
  readonly bytes?: number;
  /** How far apart the contenders' figures may be, beside 1e-7 of their size. Default 1e-9. */
  readonly tolerance?: number;
  readonly contenders: readonly Contender[];
  /** The same question to the established libraries of bench/peers/. */
  readonly peers?: PeerTask;
}

/** A question as a program in another language can read it: sizes, and numbers made by the case for `items` items. */
export interface PeerTask {
  readonly kind:
    | 'eigenproblem'
    | 'cholesky'
    | 'moments'
    | 'closed-form'
    | 'product-f64'
    | 'product-f32'
    | 'normals-f64'
    | 'normals-f32'
    | 'wishart'
    | 'training-step';
  readonly n: number;
  readonly m?: number;
  /** Few enough for a sample of some milliseconds, as native's are: longer ones are interrupted more often. */
  readonly items: number;
  /** Numbers travel as a file of doubles, anything else as JSON. */
  readonly input?: (items: number) => Float64Array | object;
}

export const PEERS = [
  'NumPy',
  'SciPy',
  'LAPACK',
  'Eigen',
  'OpenBLAS',
  'PyTorch',
  'JAX',
  'TensorFlow.js',
] as const;
export type Peer = (typeof PEERS)[number];

export interface Contender {
  readonly name: 'native' | 'reference' | 'ml-matrix' | 'ml-matrix, reduced' | Peer;
  readonly threads: number;
  /** Items of one timed call: milliseconds, so that starting a call does not show. */
  readonly items: number;
  /** The input for `items` items is made here, outside of what is timed. */
  readonly prepare: (items: number) => Call;
}

export interface Call {
  readonly run: () => Promise<unknown>;
  /** The numbers of an answer on which all contenders must agree. */
  readonly figures: (answer: never) => ArrayLike<number>;
}

/** A call whose two halves know the type of its answer. */
export function call<Answer>(
  run: () => Answer | Promise<Answer>,
  figures: (answer: Answer) => ArrayLike<number>,
): Call {
  return { run: async () => run(), figures };
}
