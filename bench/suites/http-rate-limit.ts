// The rate limit middlewares, with a limit that is never reached.

import { httpTable } from '../http.ts'
import { OURS } from '../library.ts'
import { ratio } from '../measure/targets.ts'
import type { Suite } from '../suite.ts'

/** Why the targets are missed where they are, as profiles show it. */
const BECAUSE =
  'By processor time a guarded request costs 1.7 raw ones of Express and 2.8 of Hono; on Hono 27 µs of it are our own functions and what they call, the rest promises, and the answer that is made a second time with headers of its own'

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
