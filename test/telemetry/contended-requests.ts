// What the trace of contended requests shows, whole: who waited for whom, what ran once, and where a replay came from.

import { setTimeout as sleep } from 'node:timers/promises'
import { trace } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Adapter } from '../../src/index.ts'
import { json } from '../middleware/conformance/reply.ts'
import type { Framework, Handler, Mount, Service } from '../middleware/conformance/service.ts'
import { deferred } from '../support/deferred.ts'
import { eventually } from '../support/eventually.ts'
import { spanTree } from '../support/span-tree.ts'
import { register, type TestTelemetry } from '../support/telemetry.ts'

const ATTRIBUTES = [
  'holdfast.guard.idempotency.outcome',
  'holdfast.guard.timeout.outcome',
  'holdfast.guard.lock.outcome',
  'holdfast.idempotency.replayed',
  'holdfast.outcome',
  'holdfast.lock.contended',
  'error.type',
]

/** `open` makes an empty store, and what it returns one more connection to it. */
export function describeContendedRequests(framework: Framework, open: () => () => Adapter): void {
  describe(`the trace of contended requests in ${framework.name}`, () => {
    let telemetry: TestTelemetry
    let connect: () => Adapter
    let observer: Adapter
    const opened: AsyncDisposable[] = []
    beforeEach(() => {
      telemetry = register()
      connect = open()
      observer = connect()
    })
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((each) => each[Symbol.asyncDispose]()))
      await observer.disconnect()
      await telemetry.unregister()
    })

    /** A service of its own connection to the store, as another process has it. */
    const ship = async (guards: readonly Mount[], handler: Handler): Promise<Service> => {
      const provider = connect()
      const service = await framework.serve({
        use: [['traces'], ['requestScope', { provider }]],
        routes: { 'POST /ship': { guards, handler } },
      })
      opened.push(service, { [Symbol.asyncDispose]: () => provider.disconnect() })
      return service
    }

    const spansNamed = (name: string): ReadableSpan[] =>
      telemetry.spans().filter((span) => span.name === name)

    /** The tree of everything, once so many requests have ended. */
    const tree = async (requests: number): Promise<string> => {
      await eventually(() => spansNamed('POST /ship').length === requests)
      return spanTree(telemetry.spans(), { attributes: ATTRIBUTES, links: true })
    }

    const queue = async () => (await observer.grants.inspect('lock:order')).waiters.length

    test('two requests for one lock, in two processes, and a retry of the first in the second', async () => {
      const begun = deferred()
      const gate = deferred()
      const guards: Mount[] = [
        ['protect', { idempotency: {}, lock: { key: 'order', timeout: 5_000 } }],
      ]
      const handler: Handler = async () => {
        begun.resolve()
        await gate.promise
        trace.getTracer('test').startSpan('ship it').end()
        return json('shipped', 201)
      }
      const one = await ship(guards, handler)
      const two = await ship(guards, handler)
      const first = one.client.send({ path: '/ship', key: 'a' })
      await begun.promise
      const second = two.client.send({ path: '/ship', key: 'b' })
      await eventually(async () => (await queue()) === 1)
      gate.resolve()
      await first.answer
      await second.answer
      const retry = await two.client.post('/ship', { key: 'a' })
      expect(retry.headers['idempotent-replayed']).toBe('true')

      expect(`\n${await tree(3)}\n`).toBe(`
POST /ship holdfast.guard.idempotency.outcome=executed holdfast.guard.lock.outcome=passed holdfast.idempotency.replayed=false
  idempotency.execute POST /ship holdfast.outcome=executed
    lock.acquire POST /ship holdfast.outcome=acquired holdfast.lock.contended=false
    ship it
POST /ship holdfast.guard.idempotency.outcome=executed holdfast.guard.lock.outcome=passed holdfast.idempotency.replayed=false
  idempotency.execute POST /ship holdfast.outcome=executed
    lock.acquire POST /ship holdfast.outcome=acquired holdfast.lock.contended=true -> lock.acquire POST /ship
      lock.wait POST /ship holdfast.outcome=acquired -> lock.acquire POST /ship
    ship it
POST /ship holdfast.guard.idempotency.outcome=replayed holdfast.idempotency.replayed=true -> idempotency.execute POST /ship
  idempotency.execute POST /ship holdfast.idempotency.replayed=true holdfast.outcome=replayed -> idempotency.execute POST /ship
`)
      // The links lead to the trace of the first request, and from there to the very span.
      const [firstRequest] = spansNamed('POST /ship')
      const { traceId } = firstRequest?.spanContext() ?? {}
      const links = telemetry.spans().flatMap((span) => span.links.map(({ context }) => context))
      expect(links.map((link) => link.traceId)).toEqual(Array(4).fill(traceId))
      const [holder] = spansNamed('lock.acquire POST /ship')
      const [wait] = spansNamed('lock.wait POST /ship')
      expect(wait?.links[0]?.context.spanId).toBe(holder?.spanContext().spanId)
    })

    test('each guard mounted by itself makes the same tree', async () => {
      const service = await ship([['idempotency'], ['lock', { key: 'order' }]], () => json('ok'))
      await service.client.post('/ship', { key: 'a' })
      expect(`\n${await tree(1)}\n`).toBe(`
POST /ship holdfast.guard.idempotency.outcome=executed holdfast.guard.lock.outcome=passed holdfast.idempotency.replayed=false
  idempotency.execute POST /ship holdfast.outcome=executed
    lock.acquire POST /ship holdfast.outcome=acquired holdfast.lock.contended=false
`)
    })

    test('renewals in the background are in no trace', async () => {
      const service = await ship(
        [['protect', { idempotency: { lease: 600 }, lock: { key: 'order', ttl: 600 } }]],
        async () => {
          await sleep(900)
          return json('ok')
        },
      )
      expect((await service.client.post('/ship', { key: 'a' })).status).toBe(200)
      expect(`\n${await tree(1)}\n`).toBe(`
POST /ship holdfast.guard.idempotency.outcome=executed holdfast.guard.lock.outcome=passed holdfast.idempotency.replayed=false
  idempotency.execute POST /ship holdfast.outcome=executed
    lock.acquire POST /ship holdfast.outcome=acquired holdfast.lock.contended=false
`)
      const renewals = (await telemetry.metrics()).get('holdfast.lock.renew.duration')
      expect(renewals?.value()).toBeGreaterThan(1)
    })

    test('a request that is refused, and one that is answered 504', async () => {
      const gate = deferred()
      const begun = deferred()
      const service = await ship(
        [['protect', { idempotency: {}, timeout: 300, lock: { key: 'order' } }]],
        async () => {
          begun.resolve()
          await gate.promise
          return json('late')
        },
      )
      const slow = service.client.send({ path: '/ship', key: 'a' })
      await begun.promise
      expect((await service.client.post('/ship', { key: 'b' })).status).toBe(409)
      expect((await slow.answer).status).toBe(504)
      gate.resolve()
      await eventually(() => spansNamed('idempotency.execute POST /ship').length === 2)
      // Neither is a fault of the service: no span is in error.
      expect(`\n${await tree(2)}\n`).toBe(`
POST /ship holdfast.guard.timeout.outcome=timeout
  idempotency.execute POST /ship holdfast.outcome=executed
    lock.acquire POST /ship holdfast.outcome=acquired holdfast.lock.contended=false
POST /ship holdfast.guard.idempotency.outcome=executed holdfast.guard.timeout.outcome=passed holdfast.guard.lock.outcome=timeout holdfast.idempotency.replayed=false
  idempotency.execute POST /ship holdfast.outcome=executed
    lock.acquire POST /ship holdfast.outcome=contended
`)
    })
  })
}
