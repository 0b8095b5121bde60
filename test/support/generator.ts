/** A small deterministic source of test numbers: uniform in [0, 1) (a 64-bit linear congruence, its upper half). */
export function generator(seed: number): () => number {
  let state = BigInt(seed) * 0x9e3779b97f4a7c15n + 0x853c49e6748fea9bn;
  return () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return Number(state >> 32n) / 2 ** 32;
  };
}

/** Independent numbers of mean 0 and variance 1, near enough normal for a test. */
export function noise(random: () => number, count: number): Float64Array {
  return Float64Array.from({ length: count }, () => {
    let sum = 0;
    for (let i = 0; i < 12; i++) sum += random();
    return sum - 6;
  });
}
