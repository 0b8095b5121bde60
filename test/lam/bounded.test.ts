import { describe, expect, it } from 'vitest';
import { fitLinearLam } from '../../lib/lam/fit.js';

describe('latents and predictions', () => {
  it('that would be no numbers are an error, not NaN', async () => {
    const lam = await fitLinearLam({ world: {}, objective: { kind: 'reconstruction' }, latentDim: 2 });
    const d = lam.observationDim;
    // Both signs of infinity meet in a sum: without a check the answer is NaN.
    const huge = Float64Array.from({ length: d }, (_, i) => (i % 2 ? 1.7e308 : -1.7e308));
    const negative = huge.map((v) => -v);
    expect(() => lam.encode(huge, negative)).toThrow(/^latent \d of row 0 is too large for a number/);
    expect(() => lam.decode(huge, Float64Array.of(1.7e308, -1.7e308))).toThrow(
      /^prediction \d+ of row 0 is too large for a number/,
    );
    expect(lam.encode(new Float64Array(d), new Float64Array(d)).every(Number.isFinite)).toBe(true);
  });
});
