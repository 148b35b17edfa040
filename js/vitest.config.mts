import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// bqplot comes from its own extension at run time; the tests bring a small one.
const bqplot = fileURLToPath(new URL('./tests/fake/bqplot.ts', import.meta.url));

export default defineConfig({
  resolve: { alias: { bqplot } },
  test: {
    environment: 'jsdom',
    setupFiles: ['tests/fake/browser.ts'],
    include: ['tests/**/*.test.ts'],
  },
});
