// A service with somebody inside: what every other request then meets.

import { deferred } from '../../support/deferred.ts'
import { json } from './reply.ts'
import type { Bench } from './row.ts'
import type { Mount, Service } from './service.ts'

/** A service whose first request is inside its handler until `end` is called. */
export async function occupied(
  { serve }: Bench,
  guards: readonly Mount[],
): Promise<{ service: Service; end(): Promise<void> }> {
  const begun = deferred()
  const gate = deferred()
  const service = await serve(guards, async ({ run }) => {
    begun.resolve()
    if (run === 1) await gate.promise
    return json(run)
  })
  const first = service.client.send({})
  await begun.promise
  return {
    service,
    end: async () => {
      gate.resolve()
      await first.answer
    },
  }
}
