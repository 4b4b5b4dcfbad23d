// Every request has an answer within its deadline, whatever the network does between a service and its Redis:
// away, silent or slow, from the start, in the middle of a request, and afterwards.

import { randomUUID } from 'node:crypto'
import express from 'express'
import { Redis } from 'ioredis'
import { describe, expect, inject, test } from 'vitest'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import type { Answered } from '../middleware/conformance/client.ts'
import { expressFramework } from '../middleware/conformance/express-service.ts'
import { honoFramework } from '../middleware/conformance/hono-service.ts'
import { type ExpectedProblem, expectProblem, problems } from '../middleware/conformance/problem.ts'
import { expectReplay } from '../middleware/conformance/replay.ts'
import { json } from '../middleware/conformance/reply.ts'
import type { Framework, Mount, Service } from '../middleware/conformance/service.ts'
import { type Deferred, deferred } from '../support/deferred.ts'
import { eventually } from '../support/eventually.ts'
import { deleteKeys } from '../support/redis-store.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

/** What these tests are called in the table of rows. */
const SUBJECT = 'a store behind a bad network'

/** The longest that a store call may take, in milliseconds. */
const DEADLINE = 500
/** A request asks the store a few times at most; a busy machine adds to that. */
const IN_TIME = 4 * DEADLINE + 3_000
const TTL = 30_000

const guards: Readonly<Record<string, readonly Mount[]>> = {
  '/idempotency': [['idempotency']],
  '/lock': [['lock', { key: 'a', ttl: TTL }]],
  '/semaphore': [['semaphore', { limit: 5, ttl: TTL, timeout: 200 }]],
  '/protect': [
    ['protect', { idempotency: {}, timeout: 5_000, lock: { key: 'b' }, semaphore: { limit: 5 } }],
  ],
}
const paths = Object.keys(guards)

interface Network extends AsyncDisposable {
  readonly service: Service
  readonly proxy: TcpProxy
  /** Opens the handlers that wait. */
  readonly gate: Deferred<void>
}

/** A service whose store is behind a network of its own; handlers wait when a request says so. */
async function behindNetwork(
  framework: Framework,
  onStoreError: 'allow' | 'deny' = 'deny',
): Promise<Network> {
  const { hostname, port, href } = new URL(inject('redisUrl'))
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) })
  const redis = new Redis(proxy.through(href), { retryStrategy: () => 50 })
  redis.on('error', () => {})
  const keyPrefix = `http-network-${randomUUID()}:`
  const provider = new RedisAdapter(redis, { keyPrefix, deadline: DEADLINE })
  await provider.connect()
  const gate = deferred<void>()
  const service = await framework.serve({
    use: [['requestScope', { provider }]],
    routes: Object.fromEntries(
      paths.map((path) => [
        `POST ${path}`,
        {
          guards: (guards[path] ?? []).map(
            ([kind, options]) => [kind, { ...(options as object), onStoreError }] as never,
          ),
          handler: async ({ run, header }) => {
            if (header('x-wait')) await gate.promise
            return json({ run }, 201)
          },
        },
      ]),
    ),
  })
  return {
    service,
    proxy,
    gate,
    [Symbol.asyncDispose]: async () => {
      await service[Symbol.asyncDispose]()
      await proxy.pass()
      await eventually(() => deleteKeys(redis, keyPrefix).then(() => true))
      await provider.disconnect()
      redis.disconnect()
      await proxy[Symbol.asyncDispose]()
    },
  }
}

/** The answer to a request, which must come in time. */
async function inTime(answer: Promise<Answered>): Promise<Answered> {
  const asked = performance.now()
  const answered = await answer
  expect(performance.now() - asked).toBeLessThan(IN_TIME)
  return answered
}

const faults = {
  away: (proxy: TcpProxy) => proxy.cut(),
  silent: (proxy: TcpProxy) => proxy.hold({ onResume: 'drop' }),
} as const

describe.each([
  ['express 5', expressFramework(express)],
  ['hono', honoFramework],
] as const)('%s', (label, framework) => {
  for (const [fault, break_] of Object.entries(faults)) {
    const meta = { conformance: { subject: SUBJECT, framework: label, store: `redis ${fault}` } }

    describe(`on a Redis that is ${fault}`, { concurrent: true }, () => {
      test('every guard refuses in time, and lets pass what it does not guard', {
        meta,
      }, async () => {
        await using network = await behindNetwork(framework)
        const { client } = network.service
        await break_(network.proxy)
        await Promise.all(
          paths.map(async (path) => {
            const answer = await inTime(client.post(path, { key: 'k', body: { a: 1 } }))
            expectProblem(answer, problems.storeUnavailable)
          }),
        )
        expect((await inTime(client.post('/idempotency'))).status).toBe(201)
        expect((await inTime(client.post('/idempotency', { key: 'a b' }))).status).toBe(400)
        expect((await inTime(client.get('/nowhere'))).status).toBe(404)
        expect(network.service.runs()).toBe(1)
      })

      test("with `onStoreError: 'allow'` every request passes in time", { meta }, async () => {
        await using network = await behindNetwork(framework, 'allow')
        await break_(network.proxy)
        await Promise.all(
          paths.map(async (path) => {
            const sent = network.service.client.post(path, { key: 'k', body: { a: 1 } })
            expect((await inTime(sent)).json()).toEqual({ run: 1 })
          }),
        )
      })

      test('a handler that runs when it happens is answered in time, and its retry never runs beside it', {
        meta,
      }, async () => {
        await using network = await behindNetwork(framework)
        const { client } = network.service
        const waits = { key: 'k', body: { a: 1 }, headers: { 'x-wait': 'yes' } }
        const sent = paths.map((path) => client.post(path, waits))
        await eventually(() => network.service.runs() === paths.length)
        await break_(network.proxy)
        network.gate.resolve()
        for (const answer of sent) expect((await inTime(answer)).json()).toEqual({ run: 1 })
        // Whether its record was written nobody knows yet: the retry is refused, and does not run.
        expect((await inTime(client.post('/idempotency', waits))).status).toBe(503)
        await network.proxy.pass()
        const again = await eventually(
          async () => {
            const answer = await client.post('/idempotency', waits)
            return [201, 409].includes(answer.status) && answer
          },
          { within: 10_000 },
        )
        if (again.status === 201) expect(again.headers['idempotent-replayed']).toBe('true')
        else expectProblem(again, problems.inProgress)
        expect(network.service.runs('POST /idempotency')).toBe(1)
      })

      test('afterwards everything is served again, and nothing is left held', {
        meta,
      }, async () => {
        await using network = await behindNetwork(framework)
        const { client } = network.service
        await break_(network.proxy)
        const refused = paths.map((path) => client.post(path, { key: 'before' }))
        for (const answer of refused) await inTime(answer)
        await network.proxy.pass()
        for (const path of paths) {
          const served = await eventually(
            async () => {
              const answer = await inTime(client.post(path, { key: 'after' }))
              return answer.status === 201 && answer
            },
            { within: 10_000, what: `${path} is served again` },
          )
          // What a refused request may have taken was given back: its retry runs too.
          if (path !== '/lock') expect(served.headers['idempotent-replayed']).toBeUndefined()
          const late = await eventually(
            async () => {
              const answer = await inTime(client.post(path, { key: 'before' }))
              return answer.status === 201 && answer
            },
            { within: 10_000, what: `the refused request to ${path} runs` },
          )
          expect(late.headers['idempotent-replayed']).toBeUndefined()
        }
      })
    })
  }

  const slow = { conformance: { subject: SUBJECT, framework: label, store: 'redis slow' } }
  test('on a Redis that is 200 ms away every guard does what it does, in time', {
    meta: slow,
  }, async () => {
    await using network = await behindNetwork(framework)
    const { client } = network.service
    await network.proxy.delay(100)
    for (const path of ['/idempotency', '/protect']) {
      const sending = { key: 'k', body: { a: 1 } }
      const first = await inTime(client.post(path, sending))
      expect(first.json()).toEqual({ run: 1 })
      expectReplay(await inTime(client.post(path, sending)), first)
      expectProblem(
        await inTime(client.post(path, { key: 'k', body: { a: 2 } })),
        problems.mismatch,
      )
    }
    const waits = { headers: { 'x-wait': 'yes' }, key: 'other', body: {} }
    const busy: readonly [string, ExpectedProblem][] = [
      ['/lock', problems.locked],
      ['/idempotency', problems.inProgress],
    ]
    const running = busy.map(([path]) => client.post(path, waits))
    await eventually(() => network.service.runs() === 4)
    for (const [path, problem] of busy) {
      expectProblem(await inTime(client.post(path, waits)), problem)
    }
    network.gate.resolve()
    for (const answer of running) expect((await inTime(answer)).status).toBe(201)
  })
})
