// How the tests run: `unit` in parallel and without servers, `live` one file at a time on real ones.

import { defineConfig, type ViteUserConfig } from 'vitest/config'
import CountReporter from './test/support/count-reporter.ts'
import { textFiles } from './test/support/text-files.ts'

const config: ViteUserConfig = defineConfig({
  plugins: [textFiles],
  test: {
    reporters: ['default', new CountReporter()],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            'test/{bench,core,contract,middleware,peers,telemetry,types}/**/*.test.ts',
            'test/*.test.ts',
          ],
        },
      },
      {
        extends: true,
        test: {
          name: 'live',
          include: ['test/{live,faults,examples,seed,support}/**/*.test.ts'],
          globalSetup: 'test/support/global-servers.ts',
          // Two files that stall the same Redis would fail each other.
          fileParallelism: false,
          // A machine that others use too may stall for seconds. What passed only then is named at the end of the run.
          retry: process.env.CI ? 1 : 0,
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
    ],
  },
})

export default config
