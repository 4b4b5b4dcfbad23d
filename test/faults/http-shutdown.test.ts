// A service under load that is told to end: it refuses what is new, answers what runs, gives back what it holds, and is gone.

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, inject, test } from 'vitest'
import { Client } from '../middleware/conformance/client.ts'
import { expectProblem, problems } from '../middleware/conformance/problem.ts'
import { startChild } from '../support/child.ts'
import { openBackend, type Place } from './http-backend.ts'

/** How long a lock or permit lasts whose holder is gone. */
const TTL = 30_000

/** What becomes of the requests of a client that asks in a loop until nobody listens any more. */
interface Load {
  readonly served: number
  readonly refused: number
  /** Requests that have begun to be answered, and were not to the end. */
  readonly brokenOff: number
}

async function load(client: Client, path: string, number: number): Promise<Load> {
  const load = { served: 0, refused: 0, brokenOff: 0 }
  for (let round = 0; ; round++) {
    const sent = client.send({ path, key: `${path}-${number}-${round}` })
    const answer = await sent.answer.catch(
      (error: NodeJS.ErrnoException) => error.code ?? 'unknown',
    )
    // A connection that is refused, or closed as the request arrived, has begun nothing.
    if (answer === 'ECONNREFUSED') return load
    if (typeof answer === 'string') continue
    if (!answer.complete) load.brokenOff++
    else if (answer.status < 300) load.served++
    else {
      expectProblem(answer, problems.shuttingDown)
      expect(answer.headers.connection).toBe('close')
      load.refused++
      await sleep(2)
    }
  }
}

describe.each(['express', 'hono'] as const)('%s', (framework) => {
  test.each(['redis', 'postgres'] as const)(
    'on %s: SIGTERM under load',
    async (store) => {
      const url = inject(store === 'redis' ? 'redisUrl' : 'databaseUrl')
      const place: Place = { store, url, name: `http_shutdown_${framework}_${process.pid}` }
      const backend = await openBackend(place)
      await backend.prepare()
      await using service = startChild(new URL('./http-service-child.ts', import.meta.url), {
        argument: { ...place, framework },
      })
      const { port } = await service.next<{ type: string; port: number }>('listening')
      using client = new Client(port)
      const loads = ['/buffered', '/slow', '/slow'].flatMap((path, at) =>
        [1, 2].map((number) => load(client, path, at * 2 + number)),
      )
      await sleep(500)
      const told = performance.now()
      const exit = service.kill('SIGTERM')

      expect(await service.next('ended')).toMatchObject({ aborted: 0, abandoned: 0 })
      const { holders, waiters } = await backend.provider.grants.inspect('lock:bay')
      expect({ holders, waiters }).toEqual({ holders: [], waiters: [] })
      expect((await backend.provider.grants.inspect('semaphore:bay')).holders).toEqual([])
      expect(await exit).toEqual({ code: 0, signal: null })
      // Nothing of it had to wait for the end of a lease.
      expect(performance.now() - told).toBeLessThan(TTL)
      expect(service.stderr).toBe('')

      const ended = await Promise.all(loads)
      const sum = (what: keyof Load) => ended.reduce((total, each) => total + each[what], 0)
      expect(sum('served')).toBeGreaterThan(10)
      expect(sum('refused')).toBeGreaterThan(0)
      expect(sum('brokenOff')).toBe(0)
      // Every key whose handler ran has its record: none was given up in the middle.
      const counts = await backend.counts()
      for (const [key, runs] of counts) {
        if (key.startsWith('/buffered')) expect([key, runs]).toEqual([key, 1])
      }
      await backend.clear()
      await backend.provider.disconnect()
      await backend.close()
    },
    60_000,
  )
})
