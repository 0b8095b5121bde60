import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Solving and decoding take all cores by themselves; a loaded machine must not turn that into a failure.
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
