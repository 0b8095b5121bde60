/**
 * Where each of `count` yes-or-no questions about a strength changes its answer: bisection on the logarithm, all questions
 * together, so that one round is one batch. `holds` is false below its boundary and true above it. A question that already holds
 * at `low` gives 0, one that does not hold at `high` gives Infinity.
 */
export async function boundaries(
  count: number,
  [low, high]: readonly [number, number],
  rounds: number,
  holds: (strengths: readonly number[]) => Promise<readonly boolean[]>,
): Promise<number[]> {
  const lower = new Array<number>(count).fill(Math.log(low));
  const upper = new Array<number>(count).fill(Math.log(high));
  const atLow = await holds(lower.map(Math.exp));
  const atHigh = await holds(upper.map(Math.exp));
  for (let round = 0; round < rounds; round++) {
    const middle = lower.map((b, i) => (b + upper[i]) / 2);
    const answers = await holds(middle.map(Math.exp));
    middle.forEach((m, i) => {
      (answers[i] ? upper : lower)[i] = m;
    });
  }
  return upper.map((v, i) => {
    if (atLow[i]) return 0;
    return atHigh[i] ? Math.exp((v + lower[i]) / 2) : Number.POSITIVE_INFINITY;
  });
}
