// Clients that leave: before the handler runs, while it runs, and while its answer is on the way.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { isClientDisconnectedError } from '../../../../src/index.ts'
import { deferred } from '../../../support/deferred.ts'
import { eventually } from '../../../support/eventually.ts'
import { expectProblem, problems } from '../problem.ts'
import { json, type Reply } from '../reply.ts'
import type { Bench, Row, RowGroup } from '../row.ts'

/** Sends a request whose client has gone before it meets its scope; resolves with the scope's signal, as its handler finds it. */
async function early({ serveAll, store }: Bench, options: { detachOnDisconnect: boolean }) {
  const arrived = deferred()
  const gate = deferred()
  const seen = deferred<AbortSignal>()
  const waits = (): Promise<void> => {
    arrived.resolve()
    return gate.promise
  }
  const service = await serveAll({
    use: [
      ['waits', waits],
      ['requestScope', { provider: store, ...options }],
    ],
    routes: {
      'POST /': {
        handler: ({ signal }) => {
          seen.resolve(signal)
          return json('too late')
        },
      },
    },
  })
  const connected = once(service.server, 'connection')
  const sent = service.client.send({})
  await arrived.promise
  const [socket] = await connected
  const closed = once(socket, 'close')
  sent.leave()
  await closed
  gate.resolve()
  const { aborted, reason } = await seen.promise
  return { service, aborted, reason }
}

const rows: Row[] = [
  {
    name: 'the scope’s signal aborts, with the disconnect as its reason',
    check: async ({ serve }) => {
      const begun = deferred()
      const reason = deferred<unknown>()
      const service = await serve([], async ({ signal }) => {
        begun.resolve()
        signal.addEventListener('abort', () => reason.resolve(signal.reason))
        await reason.promise
        return json('too late')
      })
      const sent = service.client.send({})
      await begun.promise
      sent.leave()
      expect(isClientDisconnectedError(await reason.promise)).toBe(true)
    },
  },
  {
    name: 'a client that has left before its request meets the first guard has left for it as well',
    check: async (bench) => {
      const { service, reason } = await early(bench, { detachOnDisconnect: false })
      expect(isClientDisconnectedError(reason)).toBe(true)
      expect(await service.drain()).toEqual({ aborted: 0, abandoned: 0 })
    },
  },
  {
    name: 'one that has left before then changes nothing with `detachOnDisconnect`',
    check: async (bench) => {
      const { service, aborted } = await early(bench, { detachOnDisconnect: true })
      expect(aborted).toBe(false)
      expect(await service.drain()).toEqual({ aborted: 0, abandoned: 0 })
    },
  },
  {
    name: 'with an accepted key the work goes on undisturbed, and the retry gets its answer',
    check: async ({ serve }) => {
      const begun = deferred()
      const gate = deferred()
      const aborted: boolean[] = []
      const service = await serve([['idempotency']], async ({ signal }) => {
        begun.resolve()
        await gate.promise
        aborted.push(signal.aborted)
        return json('done', 201)
      })
      const sent = service.client.send({ key: 'k' })
      await begun.promise
      sent.leave()
      await sleep(50)
      expectProblem(await service.client.post('/', { key: 'k' }), problems.inProgress)
      gate.resolve()
      const retry = await eventually(async () => {
        const answer = await service.client.post('/', { key: 'k' })
        return answer.status === 201 && answer
      })
      expect([retry.json(), retry.headers['idempotent-replayed']]).toEqual(['done', 'true'])
      expect(aborted).toEqual([false])
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'a handler that answers after the client has left is kept for the retry in every way of answering',
    check: async ({ serve }) => {
      const replies: Reply[] = [
        json('json'),
        { as: 'end', text: 'end' },
        { as: 'pieces', pieces: ['pie', 'ces'] },
        { as: 'bytes', bytes: Uint8Array.of(0, 255) },
        { as: 'empty', status: 204 },
        { as: 'head', form: 'object', text: 'head', status: 201 },
      ]
      for (const [at, reply] of replies.entries()) {
        const begun = deferred()
        const gate = deferred()
        const service = await serve([['idempotency']], async () => {
          begun.resolve()
          await gate.promise
          return reply
        })
        const sent = service.client.send({ key: `k-${at}` })
        await begun.promise
        sent.leave()
        await sleep(30)
        gate.resolve()
        const retry = await eventually(async () => {
          const answer = await service.client.post('/', { key: `k-${at}` })
          return answer.status < 300 && answer
        })
        expect([reply.as, retry.headers['idempotent-replayed']]).toEqual([reply.as, 'true'])
        expect(service.runs()).toBe(1)
      }
    },
  },
  {
    name: 'a client that leaves in mid-stream leaves a request that never runs again',
    check: async ({ serve }) => {
      async function* chunks() {
        yield 'first'
        await sleep(150)
        yield 'second'
        await sleep(50)
        yield 'last'
      }
      const service = await serve([['idempotency']], () => ({ as: 'stream', chunks }))
      const sent = service.client.send({ key: 'k' })
      await sent.first
      sent.leave()
      await eventually(async () => {
        const answer = await service.client.post('/', { key: 'k' })
        expectProblem(answer, problems.notReplayable)
        return true
      })
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'a client that leaves in the middle of a pipeline leaves a request that never runs again, and no lock for long',
    check: async ({ serve, framework }) => {
      async function* chunks() {
        yield 'first'
        await sleep(150)
        yield 'last'
      }
      const service = await serve(
        [
          ['idempotency', { lease: 1_200 }],
          ['lock', { key: 'a', ttl: 1_200 }],
        ],
        () => ({ as: 'piped', chunks }),
      )
      const sent = service.client.send({ key: 'k' })
      await sent.first
      sent.leave()
      // A pipeline to a closed response never ends it: in Express what is held ends when its time is over.
      const end = framework === 'express' ? problems.outcomeUnknown : problems.notReplayable
      await eventually(async () => {
        expectProblem(await service.client.post('/', { key: 'k' }), end)
        return true
      })
      await eventually(async () => (await service.client.post('/')).status === 200)
    },
  },
  {
    name: 'a client that leaves while it waits for a lock waits no longer, and its handler never runs',
    check: async ({ serve, store }) => {
      const gate = deferred()
      const begun = deferred()
      const service = await serve([['lock', { key: 'a', timeout: 10_000 }]], async () => {
        begun.resolve()
        await gate.promise
        return json('done')
      })
      const holding = service.client.send({})
      await begun.promise
      const waiting = service.client.send({})
      const queue = async () => (await store.grants.inspect('lock:a')).waiters.length
      await eventually(async () => (await queue()) === 1)
      waiting.leave()
      await eventually(async () => (await queue()) === 0)
      gate.resolve()
      expect((await holding.answer).status).toBe(200)
      await sleep(20)
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'a client that leaves while it waits for an inner lock gives the outer one back',
    check: async ({ store, serveAll }) => {
      const gate = deferred()
      const begun = deferred()
      const service = await serveAll({
        use: [['requestScope', { provider: store }]],
        routes: {
          'POST /inner': {
            guards: [['lock', { key: 'inner' }]],
            handler: async () => {
              begun.resolve()
              await gate.promise
              return json('done')
            },
          },
          'POST /both': {
            guards: [
              ['lock', { key: 'outer' }],
              ['lock', { key: 'inner', timeout: 10_000 }],
            ],
            handler: () => json('both'),
          },
        },
      })
      const holding = service.client.send({ path: '/inner' })
      await begun.promise
      const waiting = service.client.send({ path: '/both' })
      await eventually(async () => (await store.grants.inspect('lock:inner')).waiters.length === 1)
      waiting.leave()
      await eventually(async () => (await store.grants.inspect('lock:outer')).holders.length === 0)
      gate.resolve()
      await holding.answer
      expect((await service.client.post('/both')).status).toBe(200)
    },
  },
  {
    name: 'a client that has an accepted key and leaves while it waits for a lock is served all the same',
    check: async ({ serve, store }) => {
      const gate = deferred()
      const begun = deferred()
      const service = await serve(
        [['idempotency'], ['lock', { key: 'a', timeout: 10_000 }]],
        async ({ run }) => {
          begun.resolve()
          await gate.promise
          return json(run)
        },
      )
      const holding = service.client.send({ key: 'one' })
      await begun.promise
      const waiting = service.client.send({ key: 'two' })
      await eventually(async () => (await store.grants.inspect('lock:a')).waiters.length === 1)
      waiting.leave()
      await sleep(30)
      gate.resolve()
      await holding.answer
      const retry = await eventually(async () => {
        const answer = await service.client.post('/', { key: 'two' })
        return answer.status === 200 && answer
      })
      expect(retry.headers['idempotent-replayed']).toBe('true')
      expect(service.runs()).toBe(2)
    },
  },
  {
    name: 'a lock is held until the handler has ended, not until the client has left',
    check: async ({ serve }) => {
      const order: string[] = []
      const begun = deferred()
      const gate = deferred()
      const service = await serve([['lock', { key: 'a', timeout: 5_000 }]], async ({ run }) => {
        order.push(`enters ${run}`)
        begun.resolve()
        if (run === 1) await gate.promise
        order.push(`ends ${run}`)
        return json(run)
      })
      const first = service.client.send({})
      await begun.promise
      first.leave()
      const second = service.client.send({})
      await sleep(150)
      expect(order).toEqual(['enters 1'])
      gate.resolve()
      expect((await second.answer).status).toBe(200)
      expect(order).toEqual(['enters 1', 'ends 1', 'enters 2', 'ends 2'])
    },
  },
  {
    name: 'a permit is held until the handler has ended, not until the client has left',
    check: async ({ serve }) => {
      const begun = deferred()
      const gate = deferred()
      const service = await serve([['semaphore', { limit: 1 }]], async ({ run }) => {
        begun.resolve()
        if (run === 1) await gate.promise
        return json(run)
      })
      const first = service.client.send({})
      await begun.promise
      first.leave()
      await sleep(100)
      expectProblem(await service.client.post('/'), problems.full)
      gate.resolve()
      await eventually(async () => (await service.client.post('/')).status === 200)
    },
  },
  {
    name: 'a client that leaves behind its request’s head leaves nothing behind',
    check: async ({ serve, store }) => {
      const service = await serve([['idempotency'], ['lock', { key: 'a' }]], () => json('done'))
      const sent = service.client.send({ key: 'k' })
      sent.leave()
      await sleep(50)
      const retry = await eventually(async () => {
        const answer = await service.client.post('/', { key: 'k' })
        return answer.status === 200 && answer
      })
      expect(retry.json()).toBe('done')
      expect((await store.grants.inspect('lock:a')).holders).toEqual([])
    },
  },
]

export const disconnects: RowGroup = { subject: 'clients that leave', rows }
