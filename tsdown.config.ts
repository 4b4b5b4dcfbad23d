// How the published package is built: one ESM file and one set of types per import path.

import { defineConfig, type UserConfig } from 'tsdown'

const config: UserConfig = defineConfig({
  entry: {
    index: 'src/index.ts',
    postgres: 'src/adapters/postgres/index.ts',
    redis: 'src/adapters/redis/index.ts',
    contract: 'src/adapters/contract/index.ts',
    express: 'src/middleware/express/index.ts',
    hono: 'src/middleware/hono/index.ts',
    telemetry: 'src/telemetry/index.ts',
    // A file that acts when imported (`telemetry/register`) must also be named in
    // package.json's `sideEffects`, or bundlers drop it.
  },
  platform: 'node',
  target: ['node20', 'es2022'],
  dts: true,
  exports: true,
  loader: { '.lua': 'text', '.sql': 'text' },
  // Any driver or framework that slips into the bundle is an error, not 800 kB of types.
  deps: { onlyBundle: [] },
  failOnWarn: true,
  publint: true,
  attw: { profile: 'esm-only', level: 'error' },
})

export default config
