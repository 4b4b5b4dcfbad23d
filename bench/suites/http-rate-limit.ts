// The rate limit middlewares, with a limit that is never reached.

import { httpTable } from '../http.ts'
import { OURS } from '../library.ts'
import { ratio } from '../measure/targets.ts'
import type { Suite } from '../suite.ts'

/** Why the targets are missed where they are, as profiles show it. */
const BECAUSE =
  'A fifth of the time of its thread is garbage, which survives young collections where the raw server leaves nothing: what a request allocates on its way through the guard is still held when the collector comes'

export const suite: Suite = {
  name: 'http-rate-limit',
  needs: 'rateLimits',
  async *run(bench) {
    const url = await bench.redis()
    for (const [store, bound] of [
      ['memory', 0.85],
      ['redis', 0.6],
    ] as const) {
      for (const framework of ['express', 'hono'] as const) {
        yield await httpTable(bench, url, framework, {
          guard: ['rateLimits', store],
          title: `http: rate limit, ${framework}, ${store}`,
          bounds: [ratio(bound, { of: OURS, because: BECAUSE })],
        })
      }
    }
  },
}
