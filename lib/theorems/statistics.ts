// biome-ignore-all lint/style/noNonNullAssertion: every index is inside by construction
/** The two-sample Kolmogorov-Smirnov distance, the greatest difference of the two empirical distributions; 0 of no samples. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [x, y] = [Float64Array.from(a).sort(), Float64Array.from(b).sort()];
  let greatest = 0;
  for (let i = 0, j = 0; i < x.length && j < y.length; ) {
    const value = Math.min(x[i]!, y[j]!);
    while (i < x.length && x[i]! <= value) i++;
    while (j < y.length && y[j]! <= value) j++;
    greatest = Math.max(greatest, Math.abs(i / x.length - j / y.length));
  }
  return greatest;
}

/** The distance that two samples of `n` from one distribution exceed with this probability (asymptotically). */
export function criticalDistance(n: number, probability: number): number {
  return Math.sqrt(-Math.log(probability / 2) / 2) * Math.sqrt(2 / n);
}

/** I_x(a, a): the chance that a symmetric beta variable lies below x, by Simpson's rule on its smooth angular form. */
export function symmetricBeta(x: number, a: number): number {
  // t = sin^2(theta): density proportional to (sin theta cos theta)^(2a - 1), scaled by its value at the middle.
  const density = (theta: number) => Math.sin(2 * theta) ** (2 * a - 1);
  const integral = (end: number) => {
    const steps = 4000;
    const h = end / steps;
    let sum = density(0) + density(end);
    for (let i = 1; i < steps; i++) sum += (i % 2 ? 4 : 2) * density(i * h);
    return (sum * h) / 3;
  };
  return integral(Math.asin(Math.sqrt(x))) / integral(Math.PI / 2);
}
