// The idempotency middlewares on Redis, with a fresh key in every request.

import { httpTable } from '../http.ts'
import { OURS } from '../library.ts'
import { spread } from '../measure/statistics.ts'
import { rowOf } from '../measure/table.ts'
import { type Bound, most, ratio } from '../measure/targets.ts'
import type { Suite } from '../suite.ts'

/** Why the targets are missed where they are, as profiles show it. */
const BECAUSE =
  'The claim and its outcome are two scripts, about 20 µs of the cores that server and store share, and two writes to Redis beside the one to the client; the request is hashed, and its answer kept back, encoded and stored before it leaves'

const replaysAreFaster: Bound = (table) => {
  const fresh = rowOf(table, OURS)
  const replays = rowOf(table, `${OURS}, replays`)
  if (!fresh || !replays) return undefined
  const faster = spread(replays.values).median / spread(fresh.values).median
  const text = `a replay takes ${(1 / faster).toFixed(2)} of an execution's time, less than 1 wanted`
  return { text, met: faster > 1 }
}

export const suite: Suite = {
  name: 'http-idempotency',
  async *run(bench) {
    const url = await bench.redis()
    for (const framework of ['express', 'hono'] as const) {
      yield await httpTable(bench, url, framework, {
        guard: ['idempotency'],
        title: `http: idempotency, ${framework}, redis, a fresh key per request`,
        bounds: [
          ratio(0.8, { of: OURS, because: BECAUSE }),
          most('commands per request', 2, { of: OURS }),
          replaysAreFaster,
        ],
        replays: true,
      })
    }
  },
}
