// The circuit breaker guard: which answers count as failures, and what requests get while it is open.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { deferred } from '../../../support/deferred.ts'
import { eventually } from '../../../support/eventually.ts'
import { fails, hangs } from '../../../support/faulty-adapter.ts'
import type { CallName } from '../../../support/tapped-port.ts'
import type { Answered, Sent } from '../client.ts'
import { expectProblem, problems } from '../problem.ts'
import { json, text } from '../reply.ts'
import type { Bench, Row, RowGroup } from '../row.ts'
import type { Call, Handler, Mount, Service } from '../service.ts'

/** Answers with the status that the request asks for. */
const asked: Handler = ({ header, run }) => json(run, Number(header('x-status') ?? 200))

const send = (service: Service, status = 200): Promise<Answered> =>
  service.client.post('/', { headers: { 'x-status': `${status}` } })

const breaker = (options: object = {}): Mount => [
  'circuitBreaker',
  { name: 'backend', failureThreshold: 2, resetTimeout: 60_000, ...options },
]

/** A service whose breaker has been opened by two failures. */
async function opened({ serve }: Bench, options: object = {}, handler = asked): Promise<Service> {
  const service = await serve([breaker(options)], handler)
  for (let at = 0; at < 2; at++) expect((await send(service, 500)).status).toBe(500)
  return service
}

/** Asks until the handler has begun: as soon as the breaker lets a probe through. */
async function probing(service: Service, begun: Promise<void>): Promise<Sent> {
  for (;;) {
    const sent = service.client.send({ alone: true })
    const isInside = await Promise.race([begun.then(() => true), sent.answer.then(() => false)])
    if (isInside) return sent
    await sleep(20)
  }
}

/** Whether the breaker is closed still, after what has happened so far. */
async function expectClosed(service: Service): Promise<void> {
  expect((await send(service)).status).toBe(200)
}

const rows: Row[] = [
  {
    name: 'a closed breaker lets everything pass; enough failures open it, and then the handler does not run',
    check: async ({ serve }) => {
      const service = await serve([breaker({ resetTimeout: 30_000 })], asked)
      for (const status of [200, 500, 200, 503]) {
        expect((await send(service, status)).status).toBe(status)
      }
      for (let at = 0; at < 3; at++) {
        const refused = await send(service)
        expectProblem(refused, problems.circuitOpen)
        const retryAfter = Number(refused.headers['retry-after'])
        expect(retryAfter).toBeGreaterThan(25)
        expect(retryAfter).toBeLessThanOrEqual(30)
      }
      expect(service.runs()).toBe(4)
    },
  },
  {
    name: 'a handler that throws has failed',
    check: async ({ serve }) => {
      const service = await serve([breaker()], () => {
        throw new Error('broken')
      })
      for (let at = 0; at < 2; at++) expect((await send(service)).status).toBe(500)
      expectProblem(await send(service), problems.circuitOpen)
      expect(service.runs()).toBe(2)
    },
  },
  {
    name: 'an answer of less than 500 is no failure, thrown or not',
    check: async ({ serve }) => {
      const service = await serve([breaker({ failureThreshold: 1 })], ({ header, run }) => {
        if (header('x-status') !== 'thrown') return asked({ header, run } as Call)
        throw Object.assign(new Error('No such thing'), { status: 404 })
      })
      for (const status of [400, 401, 403, 404, 409, 422, 429, 301]) await send(service, status)
      const thrown = await service.client.post('/', { headers: { 'x-status': 'thrown' } })
      expect(thrown.status).toBe(404)
      await expectClosed(service)
    },
  },
  {
    name: 'what a failure is can be said otherwise',
    check: async ({ serve }) => {
      const options = {
        isFailure: ({ status }: { status: number }, request: { path: string }) =>
          request.path === '/' && status === 429,
      }
      const service = await serve([breaker(options)], asked)
      for (const status of [500, 500, 429, 429])
        expect((await send(service, status)).status).toBe(status)
      expectProblem(await send(service), problems.circuitOpen)
    },
  },
  {
    name: 'a handler that takes longer than the timeout has failed, at that moment',
    check: async ({ serve }) => {
      const gate = deferred()
      const { name: _name, ...options } = (breaker() as readonly [string, { name: string }])[1]
      const service = await serve(
        [['protect', { timeout: 100, circuitBreaker: options }]],
        async () => {
          await gate.promise
          return json('too late')
        },
      )
      for (let at = 0; at < 2; at++) expectProblem(await send(service), problems.timeout)
      // Both handlers run still. The answers did not wait until all processes knew.
      await eventually(async () => (await send(service)).status === 503)
      expectProblem(await send(service), problems.circuitOpen)
      gate.resolve()
    },
  },
  {
    name: 'a client that leaves is no failure, whatever its handler answers then',
    check: async ({ serve }) => {
      const begun = [deferred(), deferred(), deferred()]
      const ended = deferred()
      const service = await serve([breaker()], async ({ run, signal }) => {
        begun[run - 1]?.resolve()
        if (run > 3) return json('fine')
        if (!signal.aborted)
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
        if (run === 3) ended.resolve()
        return json('nobody hears of it', 500)
      })
      for (const each of begun) {
        const sent = service.client.send({ alone: true })
        await each.promise
        sent.leave()
      }
      await ended.promise
      await expectClosed(service)
    },
  },
  {
    name: 'what guards further in refuse is no failure',
    check: async ({ serve, store }) => {
      const service = await serve(
        [
          breaker({ failureThreshold: 1 }),
          ['rateLimit', { name: 'r', limit: 5, window: 60_000 }],
          ['lock', { key: 'a', timeout: 0 }],
          ['semaphore', { limit: 1, name: 's' }],
        ],
        asked,
      )
      store.always('grants.acquire', fails(new Error('gone')))
      for (let at = 0; at < 4; at++) expectProblem(await send(service), problems.storeUnavailable)
      store.always('grants.acquire', undefined)
      await expectClosed(service)
      expectProblem(await send(service), problems.quotaExceeded)
      expectProblem(await send(service), problems.quotaExceeded)
    },
  },
  {
    name: 'a replay says nothing, and needs no breaker',
    check: async ({ serve }) => {
      const { name: _name, ...options } = (breaker() as readonly [string, { name: string }])[1]
      const service = await serve(
        [['protect', { circuitBreaker: options, idempotency: {} }]],
        asked,
      )
      await service.client.post('/', { key: 'a' })
      for (const key of ['b', 'c']) {
        await service.client.post('/', { key, headers: { 'x-status': '500' } })
      }
      const replayed = await service.client.post('/', { key: 'a' })
      expect([replayed.status, replayed.headers['idempotent-replayed']]).toEqual([200, 'true'])
      // The refusal is not stored.
      expectProblem(await service.client.post('/', { key: 'd' }), problems.circuitOpen)
      expectProblem(await service.client.post('/', { key: 'd' }), problems.circuitOpen)
    },
  },
  {
    name: 'half-open, one probe is let through and others are told to come again; its success closes the breaker',
    check: async (bench) => {
      const gate = deferred()
      const begun = deferred()
      const service = await opened(bench, { resetTimeout: 150 }, async (call) => {
        if (call.run === 3) {
          begun.resolve()
          await gate.promise
        }
        return asked(call)
      })
      const probe = await probing(service, begun.promise)
      const refused = await send(service)
      expectProblem(refused, problems.circuitOpen)
      expect(refused.headers['retry-after']).toBe('1')
      gate.resolve()
      expect((await probe.answer).status).toBe(200)
      await expectClosed(service)
    },
  },
  {
    name: 'a probe that fails opens the breaker again, for longer',
    check: async (bench) => {
      const service = await opened(bench, { resetTimeout: 1_500 })
      await eventually(async () => (await send(service, 500)).status === 500)
      const retryAfter = Number((await send(service)).headers['retry-after'])
      expect(retryAfter).toBeGreaterThan(1)
      expect(retryAfter).toBeLessThanOrEqual(3)
    },
  },
  {
    name: 'a probe whose client leaves gives its place back, and decides nothing',
    check: async (bench) => {
      const begun = deferred()
      const service = await opened(bench, { resetTimeout: 150 }, async (call) => {
        if (call.run === 3) {
          begun.resolve()
          await new Promise((resolve) => call.signal.addEventListener('abort', resolve))
          return json('nobody hears of it', 500)
        }
        return asked(call)
      })
      const probe = await probing(service, begun.promise)
      probe.leave()
      await eventually(async () => (await send(service)).status === 200)
    },
  },
  {
    name: 'a probe that hangs is replaced when its lease is over',
    check: async (bench) => {
      const gate = deferred()
      const begun = deferred()
      const service = await opened(
        bench,
        { resetTimeout: 100, probeLease: 4_000 },
        async (call) => {
          if (call.run === 3) {
            begun.resolve()
            await gate.promise
          }
          return asked(call)
        },
      )
      const hanging = await probing(service, begun.promise)
      expectProblem(await send(service), problems.circuitOpen)
      await eventually(async () => (await send(service)).status === 200, { within: 15_000 })
      gate.resolve()
      expect((await hanging.answer).status).toBe(200)
    },
  },
  {
    name: 'a success that began before the breaker opened does not close it',
    check: async ({ serve }) => {
      const gate = deferred()
      const begun = deferred()
      const service = await serve([breaker()], async (call) => {
        if (call.run === 1) {
          begun.resolve()
          await gate.promise
        }
        return asked(call)
      })
      const early = service.client.send({ alone: true })
      await begun.promise
      for (let at = 0; at < 2; at++) await send(service, 500)
      gate.resolve()
      expect((await early.answer).status).toBe(200)
      expectProblem(await send(service), problems.circuitOpen)
    },
  },
  {
    name: 'failures that began before the breaker opened do not open it again',
    check: async ({ serve }) => {
      const gate = deferred()
      let waiting = 0
      const service = await serve([breaker({ resetTimeout: 100 })], async (call) => {
        if (call.run <= 2) {
          waiting++
          await gate.promise
        }
        return asked(call)
      })
      const headers = { 'x-status': '500' }
      const early = [1, 2].map(() => service.client.send({ headers, alone: true }))
      await eventually(() => waiting === 2)
      for (let at = 0; at < 2; at++) await send(service, 500)
      await eventually(async () => (await send(service)).status === 200)
      await expectClosed(service)
      gate.resolve()
      for (const { answer } of early) expect((await answer).status).toBe(500)
      await expectClosed(service)
    },
  },
  {
    name: 'a stream is judged by its status when it begins',
    check: async ({ serve }) => {
      const gate = deferred()
      async function* chunks() {
        yield 'a'
        await gate.promise
        yield 'b'
      }
      const service = await serve([breaker()], ({ run }) =>
        run <= 2 ? { as: 'stream', chunks, status: 500 } : json('fine'),
      )
      const streams = [service.client.send({ alone: true }), service.client.send({ alone: true })]
      await Promise.all(streams.map(({ first }) => first))
      // Both flow still.
      await eventually(async () => (await send(service)).status === 503)
      gate.resolve()
      for (const { answer } of streams)
        expect(await answer).toMatchObject({ status: 500, text: 'ab' })
    },
  },
  {
    name: 'a stream that breaks off has failed, where streams are judged at their end',
    check: async ({ serve }) => {
      let gate = deferred()
      async function* chunks() {
        yield 'a'
        await gate.promise
        throw new Error('The backend has gone')
      }
      const handler: Handler = () => ({ as: 'piped', chunks })
      const breakOff = async (service: Service) => {
        gate = deferred()
        const sent = service.client.send({ alone: true })
        await sent.first
        gate.resolve()
        expect(await sent.answer).toMatchObject({ status: 200, complete: false })
      }
      const atHead = await serve([breaker({ name: 'head' })], handler)
      for (let at = 0; at < 4; at++) await breakOff(atHead)
      const atEnd = await serve([breaker({ name: 'end', at: 'end' })], handler)
      for (let at = 0; at < 2; at++) await breakOff(atEnd)
      // Nobody could wait for the breaker any more: the connection had broken.
      await eventually(async () => (await send(atEnd)).status === 503)
    },
  },
  {
    name: 'all processes that share the store open together',
    check: async (bench) => {
      const other = await bench.serveAll({
        use: [['requestScope', { provider: bench.otherProcess() }], breaker()],
        routes: { 'POST /': { handler: asked } },
      })
      await expectClosed(other)
      await opened(bench)
      await eventually(async () => (await send(other)).status === 503)
    },
  },
  {
    name: 'each route has a breaker of its own, and all its requests share it',
    check: async ({ store, serveAll }) => {
      const guards: readonly Mount[] = [['circuitBreaker', { failureThreshold: 2 }]]
      const service = await serveAll({
        use: [['requestScope', { provider: store }]],
        routes: {
          'POST /a/:id': { guards, handler: asked },
          'POST /b': { guards, handler: asked },
        },
      })
      const headers = { 'x-status': '500' }
      await service.client.post('/a/1', { headers })
      await service.client.post('/a/2', { headers })
      expectProblem(await service.client.post('/a/3'), problems.circuitOpen)
      expect((await service.client.post('/b')).status).toBe(200)
    },
  },
  ...(['fails', 'hangs'] as const).map(
    (how): Row => ({
      name: `a store that ${how} is no reason to refuse: the process decides alone, and opens alone`,
      check: async ({ serve, store }) => {
        const fault = how === 'fails' ? fails(new Error('gone')) : hangs
        for (const call of ['counts.report', 'counts.move', 'grants.acquire', 'signals.listen']) {
          store.always(call as CallName, fault)
        }
        const service = await serve([breaker()], asked)
        await expectClosed(service)
        for (let at = 0; at < 2; at++) expect((await send(service, 500)).status).toBe(500)
        expectProblem(await send(service), problems.circuitOpen)
        expect(service.runs()).toBe(3)
      },
    }),
  ),
  {
    name: 'an own answer to an open breaker is given what it needs to say when to come again',
    check: async (bench) => {
      const seen: unknown[] = []
      const onRefused = (error: unknown) => {
        seen.push(error)
        return text('later', 503)
      }
      const service = await opened(bench, { onRefused })
      expect((await send(service)).text).toBe('later')
      expect(seen).toMatchObject([
        { code: 'ERR_HOLDFAST_CIRCUIT_OPEN', retryAfter: expect.any(Number) },
      ])
    },
  },
]

export const breakers: RowGroup = { subject: 'circuit breakers', rows }
