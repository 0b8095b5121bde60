import { defineConfig } from 'tsdown';

// Figures are drawn by packages that a user installs for them alone.
const deps: { neverBundle: string[] } = { neverBundle: ['vega', 'vega-lite'] };
const shared = { platform: 'node', target: 'node20.19', hash: false, deps } as const;

export default defineConfig([
  { ...shared, entry: { index: 'lib/index.ts' }, format: ['esm', 'cjs'], dts: true },
  {
    ...shared,
    entry: { cli: 'lib/cli/main.ts' },
    format: 'esm',
    dts: false,
    clean: false,
    banner: { js: '#!/usr/bin/env node' },
  },
]);
