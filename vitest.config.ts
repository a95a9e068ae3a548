/** Test settings. Native add-ons (Dawn) want processes rather than threads; kernels on a software GPU want patience. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
