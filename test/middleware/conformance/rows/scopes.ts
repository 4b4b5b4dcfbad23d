// The scope of a request: one for each, with its store, until its handler has ended.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { currentScope, isClosedError, scope } from '../../../../src/index.ts'
import { deferred } from '../../../support/deferred.ts'
import { eventually } from '../../../support/eventually.ts'
import { expectProblem, problems } from '../problem.ts'
import { json } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'

const rows: Row[] = [
  {
    name: 'every request has a scope of its own, which ends with its handler',
    check: async ({ serve }) => {
      const signals: AbortSignal[] = []
      const service = await serve([], ({ signal }) => {
        signals.push(signal)
        return json(signal.aborted)
      })
      expect((await service.client.post('/')).json()).toBe(false)
      expect((await service.client.post('/')).json()).toBe(false)
      expect(new Set(signals).size).toBe(2)
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
    },
  },
  {
    name: 'a scope lives until the last chunk of a stream',
    check: async ({ serve }) => {
      let signal: AbortSignal | undefined
      async function* chunks() {
        for (let at = 0; at < 3; at++) {
          await sleep(20)
          yield `${signal?.aborted};`
        }
      }
      const service = await serve([], (call) => {
        signal = call.signal
        return { as: 'stream', chunks }
      })
      expect((await service.client.post('/')).text).toBe('false;false;false;')
      expect(signal?.aborted).toBe(true)
    },
  },
  {
    name: 'the running code belongs to the scope of its request, and finds its store there',
    check: async ({ serve, store }) => {
      const service = await serve([['lock', { key: 'a' }]], async ({ scope: own }) => {
        await sleep(5)
        return json([currentScope() === own, own?.provider === store, own?.name])
      })
      expect((await service.client.post('/')).json()).toEqual([true, true, 'request'])
    },
  },
  {
    name: 'what a scope fails to clean up is an event, and no business of the answer',
    check: async ({ serve, store }) => {
      const service = await serve([], ({ scope: own }) => {
        own?.onDispose(() => {
          throw new Error('stuck')
        })
        return json('done')
      })
      expect((await service.client.post('/')).json()).toBe('done')
      expect(store.events).toMatchObject([
        { name: 'holdfast.callback.failed', error: { message: 'stuck' } },
      ])
    },
  },
  {
    name: 'with `detachOnDisconnect` a client that leaves changes nothing for the handler',
    check: async ({ serveAll, store }) => {
      const begun = deferred()
      const gate = deferred()
      const ended = deferred<boolean>()
      const service = await serveAll({
        use: [['requestScope', { provider: store, detachOnDisconnect: true }]],
        routes: {
          'POST /': {
            handler: async ({ signal }) => {
              begun.resolve()
              await gate.promise
              ended.resolve(signal.aborted)
              return json('done')
            },
          },
        },
      })
      const connected = once(service.server, 'connection')
      const sent = service.client.send({})
      await begun.promise
      const [socket] = await connected
      const closed = once(socket, 'close')
      sent.leave()
      await closed
      gate.resolve()
      expect(await ended.promise).toBe(false)
    },
  },
  {
    name: 'a request that runs while the service shuts down is told, and ends in order',
    check: async ({ store, serveAll }) => {
      const parent = scope()
      const begun = deferred()
      const service = await serveAll({
        use: [['requestScope', { provider: store, parent }]],
        routes: {
          'POST /': {
            guards: [['lock', { key: 'a' }]],
            handler: async ({ signal }) => {
              begun.resolve()
              await new Promise((resolve) => signal.addEventListener('abort', resolve))
              await sleep(20)
              return json('brought to an end')
            },
          },
        },
      })
      const running = service.client.send({})
      await begun.promise
      await parent[Symbol.asyncDispose]()
      expect((await running.answer).json()).toBe('brought to an end')
      expect((await store.grants.inspect('lock:a')).holders).toEqual([])
    },
  },
  {
    name: 'a service that shuts down runs nothing new: it says so, and closes the connection',
    check: async ({ store, serveAll }) => {
      const parent = scope()
      const service = await serveAll({
        use: [['requestScope', { provider: store, parent }]],
        routes: { 'POST /': { guards: [['idempotency']], handler: () => json('done') } },
      })
      expect((await service.client.post('/', { key: 'k' })).json()).toBe('done')
      await parent[Symbol.asyncDispose]()
      const refused = await service.client.post('/', { key: 'k' })
      expectProblem(refused, problems.shuttingDown)
      expect(refused.headers.connection).toBe('close')
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'a service whose scope ends by a signal or a timeout of its own shuts down as well',
    check: async ({ store, serveAll }) => {
      for (const parent of [scope({ signal: AbortSignal.abort() }), scope({ timeout: 1 })]) {
        await eventually(() => parent.signal.aborted)
        const service = await serveAll({
          use: [['requestScope', { provider: store, parent }]],
          routes: { 'POST /': { handler: () => json('done') } },
        })
        const refused = await service.client.post('/')
        expectProblem(refused, problems.shuttingDown)
        expect(refused.headers.connection).toBe('close')
        expect(service.runs()).toBe(0)
        await parent[Symbol.asyncDispose]()
      }
    },
  },
  {
    name: 'a request that waits when the scope of the service ends by its signal is told that the service shuts down',
    check: async ({ store, serveAll }) => {
      const end = new AbortController()
      const parent = scope({ signal: end.signal })
      const begun = deferred()
      const service = await serveAll({
        use: [['requestScope', { provider: store, parent }]],
        routes: {
          'POST /': {
            guards: [['lock', { key: 'a', timeout: 10_000 }]],
            handler: async ({ signal }) => {
              begun.resolve()
              if (!signal.aborted) await once(signal, 'abort')
              return json([isClosedError(signal.reason), signal.reason.cause])
            },
          },
        },
      })
      const running = service.client.send({})
      await begun.promise
      const waiting = service.client.send({})
      await eventually(async () => (await store.grants.inspect('lock:a')).waiters.length === 1)
      end.abort('deployed')
      expectProblem(await waiting.answer, problems.shuttingDown)
      expect((await running.answer).json()).toEqual([true, 'deployed'])
      await parent[Symbol.asyncDispose]()
    },
  },
]

export const scopes: RowGroup = { subject: 'the scope of a request', rows }
