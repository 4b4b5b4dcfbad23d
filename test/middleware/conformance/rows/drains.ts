// The end of a service: nothing new begins, what runs is answered, and what is held is given back at once.

import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { isClosedError } from '../../../../src/index.ts'
import { type Deferred, deferred } from '../../../support/deferred.ts'
import { eventually } from '../../../support/eventually.ts'
import { landsAfter } from '../../../support/faulty-adapter.ts'
import { occupied } from '../occupied.ts'
import { expectProblem, problems } from '../problem.ts'
import { json } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import type { Service } from '../service.ts'

/** Drains the service, which must not be over before the gate opens. */
async function expectToWait(service: Pick<Service, 'drain'>, gate: Deferred<void>): Promise<void> {
  let over = false
  const drained = service.drain().finally(() => {
    over = true
  })
  await sleep(50)
  expect(over).toBe(false)
  gate.resolve()
  expect(await drained).toEqual({ aborted: 0, abandoned: 0 })
}

const rows: Row[] = [
  {
    name: 'while it drains, new requests are told to come again elsewhere, and a running one is answered',
    check: async ({ serve, store }) => {
      const gate = deferred()
      const begun = deferred()
      const service = await serve(
        [['idempotency'], ['lock', { key: 'a' }], ['semaphore', { limit: 2 }]],
        async () => {
          begun.resolve()
          await gate.promise
          return json('done', 201)
        },
      )
      const running = service.client.send({ key: 'k' })
      await begun.promise
      const drained = service.drain()
      for (const alone of [false, true]) {
        const refused = await service.client.post('/', { key: 'other', alone })
        expectProblem(refused, problems.shuttingDown)
        expect(refused.headers.connection).toBe('close')
      }
      gate.resolve()
      expect((await running.answer).status).toBe(201)
      expect(await drained).toEqual({ aborted: 0, abandoned: 0 })
      expect(service.runs()).toBe(1)
      for (const resource of ['lock:a', 'semaphore:POST /']) {
        expect((await store.grants.inspect(resource)).holders).toEqual([])
      }
    },
  },
  {
    name: 'when nothing runs any more the port is closed, and so are the connections that clients keep',
    check: async ({ serve }) => {
      const service = await serve([], () => json('done'))
      expect((await service.client.post('/')).json()).toBe('done')
      expect(await service.drain()).toEqual({ aborted: 0, abandoned: 0 })
      expect(service.server.listening).toBe(false)
      await expect(service.client.post('/', { alone: true })).rejects.toThrow(/ECONNREFUSED/)
      const connections = await new Promise((resolve) =>
        service.server.getConnections((_error, count) => resolve(count)),
      )
      expect(connections).toBe(0)
    },
  },
  {
    name: 'an answer that is still on its way when the handler has ended arrives whole',
    check: async ({ serve }) => {
      const large = 'x'.repeat(4_000_000)
      const service = await serve([], () => json(large))
      const sent = service.client.send({})
      const incoming = await sent.begun
      incoming.pause()
      const drained = service.drain()
      await sleep(100)
      incoming.resume()
      expect((await sent.answer).json()).toBe(large)
      expect(await drained).toEqual({ aborted: 0, abandoned: 0 })
    },
  },
  {
    name: 'a stream is waited for to its last chunk',
    check: async ({ serve }) => {
      const gate = deferred()
      async function* chunks() {
        yield 'first'
        await gate.promise
        yield 'last'
      }
      const service = await serve([['lock', { key: 'a' }]], () => ({ as: 'stream', chunks }))
      const sent = service.client.send({})
      await sent.first
      const drained = service.drain()
      expectProblem(await service.client.post('/', { alone: true }), problems.shuttingDown)
      gate.resolve()
      expect((await sent.answer).complete).toBe(true)
      expect(await drained).toEqual({ aborted: 0, abandoned: 0 })
    },
  },
  {
    name: "a record that is written behind its answer (`commit: 'after'`) is waited for",
    check: async ({ serve, store }) => {
      const gate = deferred()
      store.always('records.commit', landsAfter(gate.promise))
      const service = await serve([['idempotency', { commit: 'after' }]], () => json('done'))
      await service.client.post('/', { key: 'k' })
      await expectToWait(service, gate)
    },
  },
  {
    name: 'what a request spends once its answer is known is waited for',
    check: async ({ serve, store }) => {
      const gate = deferred()
      const service = await serve(
        [['rateLimit', { limit: 2, window: 60_000, skipSuccessfulRequests: true }]],
        () => {
          store.always('rates.consume', landsAfter(gate.promise))
          return json('wrong', 401)
        },
      )
      await service.client.post('/')
      await expectToWait(service, gate)
    },
  },
  {
    name: 'a request that takes too long is told by its signal, and may still answer',
    check: async ({ serve, store }) => {
      const begun = deferred()
      const service = await serve([['lock', { key: 'a' }]], async ({ signal }) => {
        begun.resolve()
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        await sleep(20)
        return json(['brought to an end', isClosedError(signal.reason)])
      })
      const running = service.client.send({})
      await begun.promise
      expect(await service.drain({ timeout: 50, grace: 10_000 })).toEqual({
        aborted: 1,
        abandoned: 0,
      })
      expect((await running.answer).json()).toEqual(['brought to an end', true])
      expect((await store.grants.inspect('lock:a')).holders).toEqual([])
    },
  },
  {
    name: 'one that heeds no signal is answered for, and what it holds stays its own until it ends',
    check: async ({ serve, store }) => {
      const gate = deferred()
      const begun = deferred()
      const service = await serve([['lock', { key: 'a' }]], async () => {
        begun.resolve()
        await gate.promise
        return json('too late')
      })
      const running = service.client.send({})
      await begun.promise
      expect(await service.drain({ timeout: 50, grace: 50 })).toEqual({ aborted: 1, abandoned: 1 })
      expectProblem(await running.answer, problems.shuttingDown)
      const holders = async () => (await store.grants.inspect('lock:a')).holders.length
      expect(await holders()).toBe(1)
      gate.resolve()
      await eventually(async () => (await holders()) === 0)
    },
  },
  {
    name: 'a request that was answered 504 before its handler began is over: nothing is waited for',
    check: async ({ serve, store }) => {
      const gate = deferred()
      store.always('grants.acquire', landsAfter(gate.promise))
      const service = await serve(
        [
          ['timeout', 50],
          ['lock', { key: 'a', ttl: 2_000 }],
        ],
        () => json('ran'),
      )
      expectProblem(await service.client.post('/'), problems.timeout)
      gate.resolve()
      expect(await service.drain({ timeout: 3_000 })).toEqual({ aborted: 0, abandoned: 0 })
      expect(service.runs()).toBe(0)
    },
  },
  {
    name: 'one that waits for a lock when the time is over waits no longer, and its handler never runs',
    check: async (bench) => {
      const { service, end } = await occupied(bench, [['lock', { key: 'a', timeout: 10_000 }]])
      const waiting = service.client.send({})
      const queue = async () => (await bench.store.grants.inspect('lock:a')).waiters.length
      await eventually(async () => (await queue()) === 1)
      const drained = service.drain({ timeout: 100, grace: 10_000 })
      expectProblem(await waiting.answer, problems.shuttingDown)
      await end()
      expect(await drained).toEqual({ aborted: 2, abandoned: 0 })
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'a connection that has never carried a request is not waited for longer than `grace`',
    check: async ({ serve }) => {
      const service = await serve([], () => json('done'))
      const connected = once(service.server, 'connection')
      const socket = connect(service.port, '127.0.0.1')
      const closed = once(socket, 'close')
      await connected
      // The time that requests have is more than the test has.
      expect(await service.drain({ timeout: 60_000, grace: 50 })).toEqual({
        aborted: 0,
        abandoned: 0,
      })
      await closed
    },
  },
  {
    name: 'a second call is the first’s, and a bad one is refused',
    check: async ({ serve }) => {
      const service = await serve([], () => json('done'))
      for (const options of [{ timeout: -1 }, { grace: '1s' as never }, { timeout: 0 }]) {
        await expect(service.drain(options)).rejects.toThrow(/Expected `(timeout|grace)`/)
      }
      expect((await service.client.post('/')).json()).toBe('done')
      const [one, two] = await Promise.all([service.drain(), service.drain({ timeout: 1 })])
      expect(one).toBe(two)
    },
  },
  {
    name: 'what is mounted before requestScope(), such as a health check, is left alone',
    check: async ({ serveAll, store }) => {
      const gate = deferred()
      const begun = deferred()
      const service = await serveAll({
        routes: {
          'GET /healthz': { handler: () => json('healthy') },
          'POST /': {
            guards: [['requestScope', { provider: store }]],
            handler: async () => {
              begun.resolve()
              await gate.promise
              return json('done')
            },
          },
        },
      })
      const running = service.client.send({})
      await begun.promise
      const drained = service.drain()
      expect((await service.client.get('/healthz')).json()).toBe('healthy')
      gate.resolve()
      await running.answer
      await drained
    },
  },
]

export const drains: RowGroup = { subject: 'the end of a service', rows }
