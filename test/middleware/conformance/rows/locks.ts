// The lock guard: who enters, who waits, and what those get who may not.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { deferred } from '../../../support/deferred.ts'
import { eventually } from '../../../support/eventually.ts'
import { fails } from '../../../support/faulty-adapter.ts'
import { occupied } from '../occupied.ts'
import { expectProblem, problems } from '../problem.ts'
import { json, type Reply } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import type { Mount } from '../service.ts'

async function* briefly(): AsyncGenerator<string> {
  yield 'a'
  await sleep(5)
  yield 'b'
}

async function* breakingOff(): AsyncGenerator<string> {
  yield 'a'
  await sleep(5)
  throw new Error('The source has gone')
}

const rows: Row[] = [
  {
    name: 'a lock that is held is answered 409, and the handler does not run',
    check: async (bench) => {
      const { service, end } = await occupied(bench, [['lock', { key: 'a' }]])
      expectProblem(await service.client.post('/'), problems.locked)
      await end()
      expect((await service.client.post('/')).json()).toBe(2)
    },
  },
  {
    name: 'a lock that is held is answered 423, where that is asked for',
    check: async (bench) => {
      const { service, end } = await occupied(bench, [['lock', { key: 'a', status: 423 }]])
      expectProblem(await service.client.post('/'), problems.lockedAsWebdav)
      await end()
      expect((await service.client.post('/')).status).toBe(200)
    },
  },
  {
    name: 'Retry-After of a lock that is held is no longer than its lease',
    check: async (bench) => {
      const { service, end } = await occupied(bench, [['lock', { key: 'a', ttl: 900 }]])
      expect((await service.client.post('/')).headers['retry-after']).toBe('1')
      await end()
    },
  },
  {
    name: 'with `read-write` those who only read are in together, and whoever writes is alone',
    check: async ({ serveAll, store }) => {
      const gate = deferred()
      let reading = 0
      const guards: readonly Mount[] = [['lock', { key: 'a', mode: 'read-write' }]]
      const service = await serveAll({
        use: [['requestScope', { provider: store }]],
        routes: {
          'GET /': {
            guards,
            handler: async ({ run }) => {
              reading++
              if (run <= 2) await gate.promise
              reading--
              return json('read')
            },
          },
          'POST /': { guards, handler: async () => json(await held()) },
          'DELETE /': { guards, handler: () => json('deleted') },
        },
      })
      const held = async () =>
        Promise.all(
          (['GET', 'HEAD', 'DELETE'] as const).map(
            async (method) => (await service.client.request({ method, path: '/' })).status,
          ),
        )
      const readers = [
        service.client.send({ method: 'GET', alone: true }),
        service.client.send({ method: 'HEAD', alone: true }),
      ]
      await eventually(() => reading === 2)
      expect((await service.client.get('/')).status).toBe(200)
      expectProblem(await service.client.post('/'), problems.locked)
      gate.resolve()
      for (const { answer } of readers) expect((await answer).status).toBe(200)
      const written = await service.client.post('/')
      expect([written.status, written.json()]).toEqual([200, [409, 409, 409]])
    },
  },
  ...(
    [
      ['JSON', json('done')],
      ['nothing', { as: 'empty', status: 204 }],
      ['a redirect', { as: 'redirect', to: '/', status: 302 }],
      ['a raw response', { as: 'end', text: 'done' }],
      ['a stream', { as: 'stream', chunks: briefly }],
      ['a stream that breaks off', { as: 'piped', chunks: breakingOff }],
      ['an answer that is thrown away', { as: 'broken-off' }],
      ['an error', 'throws'],
      ['a client that has left', 'is left'],
    ] as const satisfies readonly (readonly [string, Reply | 'throws' | 'is left'])[]
  ).map(
    ([kind, reply]): Row => ({
      name: `what is held is given back exactly once behind ${kind}`,
      check: async ({ serve, store }) => {
        const begun = deferred()
        const service = await serve(
          [
            ['lock', { key: 'a' }],
            ['semaphore', { limit: 1, key: 's' }],
          ],
          async ({ run, signal }) => {
            if (run > 1) return json('next')
            begun.resolve()
            if (reply === 'throws') throw new Error('broken')
            if (reply !== 'is left') return reply
            await new Promise((resolve) => signal.addEventListener('abort', resolve))
            return json('nobody hears of it')
          },
        )
        const sent = service.client.send({ alone: true })
        await begun.promise
        if (reply === 'is left') sent.leave()
        else await sent.answer.catch(() => {})
        const releases = () => store.calls.filter((call) => call === 'grants.release').length
        const holders = async () => {
          const views = await Promise.all(
            ['lock:a', 'semaphore:s'].map((name) => store.grants.inspect(name)),
          )
          return views.flatMap((view) => view.holders).length
        }
        await eventually(async () => releases() === 2 && (await holders()) === 0)
        expect((await service.client.post('/')).json()).toBe('next')
        await eventually(() => releases() === 4)
      },
    }),
  ),
  {
    name: 'what is held is given back exactly once behind HEAD',
    check: async ({ serveAll, store }) => {
      const service = await serveAll({
        use: [['requestScope', { provider: store }]],
        routes: {
          'GET /': {
            guards: [['lock', { key: 'a' }]],
            handler: () => ({ as: 'stream', chunks: briefly }),
          },
        },
      })
      for (let run = 1; run <= 3; run++) {
        expect((await service.client.request({ method: 'HEAD', path: '/' })).status).toBe(200)
        await eventually(
          () => store.calls.filter((call) => call === 'grants.release').length === run,
        )
      }
    },
  },
  {
    name: 'a lock is held against other processes',
    check: async (bench) => {
      const { end } = await occupied(bench, [['lock', { key: 'a' }]])
      const other = await bench.serveAll({
        use: [['requestScope', { provider: bench.otherProcess() }]],
        routes: { 'POST /': { guards: [['lock', { key: 'a' }]], handler: () => json('in') } },
      })
      expectProblem(await other.client.post('/'), problems.locked)
      await end()
      await eventually(async () => (await other.client.post('/')).status === 200)
    },
  },
  {
    name: 'a request waits for a lock for `timeout`, and is then refused',
    check: async (bench) => {
      const { service, end } = await occupied(bench, [['lock', { key: 'a', timeout: 200 }]])
      const asked = performance.now()
      expectProblem(await service.client.post('/'), problems.locked)
      expect(performance.now() - asked).toBeGreaterThan(190)
      await end()
    },
  },
  {
    name: 'requests enter one at a time and in the order in which they came, with growing tokens',
    check: async ({ serve, store }) => {
      let inside = 0
      const gate = deferred()
      const entered: number[] = []
      const service = await serve(
        [['lock', { key: 'a', timeout: 10_000 }]],
        async ({ holdfast, header }) => {
          entered.push(Number(header('x-at')))
          inside++
          const alone = inside === 1
          await gate.promise
          await sleep(2)
          inside--
          return json({ alone, token: holdfast.lock?.fencingToken })
        },
      )
      const sent = []
      for (let at = 0; at < 10; at++) {
        sent.push(service.client.post('/', { headers: { 'x-at': `${at}` } }))
        await eventually(async () => {
          const { holders, waiters } = await store.grants.inspect('lock:a')
          return holders.length + waiters.length === at + 1
        })
      }
      gate.resolve()
      const answers = (await Promise.all(sent)).map((each) =>
        each.json<{ alone: boolean; token: number }>(),
      )
      expect(entered).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      expect(answers.every(({ alone }) => alone)).toBe(true)
      const tokens = answers.map(({ token }) => token)
      expect(tokens).toEqual(tokens.toSorted((a, b) => a - b))
      expect(new Set(tokens).size).toBe(10)
    },
  },
  {
    name: 'the key of a lock may come from the request, and other keys are free',
    check: async ({ serve }) => {
      const begun = deferred()
      const gate = deferred()
      const service = await serve(
        [['lock', { key: async ({ header }) => `order:${header('x-order')}` }]],
        async ({ run }) => {
          begun.resolve()
          if (run === 1) await gate.promise
          return json(run)
        },
      )
      const send = (order: string) => service.client.send({ headers: { 'x-order': order } })
      const first = send('1')
      await begun.promise
      expectProblem(await send('1').answer, problems.locked)
      expect((await send('2').answer).status).toBe(200)
      gate.resolve()
      await first.answer
    },
  },
  {
    name: 'a key that is no name is a fault of the application, not of the request',
    check: async ({ serve }) => {
      const service = await serve([['lock', { key: () => '' }]], () => json('ran'))
      expect((await service.client.post('/')).status).toBe(500)
      expect(service.runs()).toBe(0)
    },
  },
  {
    name: 'a lock that is free again is free for the request that follows on the answer',
    check: async ({ serve }) => {
      const service = await serve([['lock', { key: 'a' }]], ({ run }) => json(run))
      for (let run = 1; run <= 20; run++) {
        expect((await service.client.post('/')).json()).toBe(run)
      }
    },
  },
  {
    name: 'a queue that is full refuses, and says that the service has no capacity',
    check: async (bench) => {
      const { service, end } = await occupied(bench, [
        ['lock', { key: 'a', timeout: 10_000, maxWaiters: 1 }],
      ])
      const waiting = service.client.send({})
      await eventually(
        async () => (await bench.store.grants.inspect('lock:a')).waiters.length === 1,
      )
      expectProblem(await service.client.post('/'), problems.full)
      await end()
      expect((await waiting.answer).status).toBe(200)
    },
  },
  {
    name: 'a request that loses its lock is answered 503, its signal aborts, and what it says later goes nowhere',
    check: async ({ serve, store }) => {
      const reason = deferred<unknown>()
      const service = await serve([['lock', { key: 'a', ttl: 1_200 }]], async ({ signal, run }) => {
        if (run > 1) return json('next')
        store.always('grants.renew', fails(new Error('The network is gone')))
        signal.addEventListener('abort', () => reason.resolve(signal.reason))
        await reason.promise
        await sleep(50)
        return json('too late')
      })
      expectProblem(await service.client.post('/'), problems.leaseLost)
      expect(await reason.promise).toMatchObject({ code: 'ERR_HOLDFAST_LEASE_LOST' })
      store.always('grants.renew', undefined)
      await sleep(100)
      expect((await service.client.post('/')).json()).toBe('next')
    },
  },
  {
    name: 'a stream that loses its lock breaks off: it must not look complete',
    check: async ({ serve, store }) => {
      async function* chunks() {
        store.always('grants.renew', fails(new Error('The network is gone')))
        for (let at = 0; at < 60; at++) {
          yield `${at};`
          await sleep(50)
        }
      }
      const service = await serve([['lock', { key: 'a', ttl: 1_200 }]], () => ({
        as: 'stream',
        chunks,
      }))
      const answer = await service.client.post('/')
      expect([answer.status, answer.complete]).toEqual([200, false])
    },
  },
  {
    name: 'a lock that is lost is refused to the handler that asks for it',
    check: async ({ serve, store }) => {
      const held: unknown[] = []
      const ended = deferred()
      const service = await serve([['lock', { key: 'a', ttl: 1_200 }]], async ({ holdfast }) => {
        held.push(holdfast.lock?.held)
        store.always('grants.renew', fails(new Error('The network is gone')))
        await sleep(1_400)
        held.push(holdfast.lock?.held)
        ended.resolve()
        return json('too late')
      })
      await service.client.post('/')
      await ended.promise
      expect(held).toEqual([true, false])
    },
  },
]

export const locks: RowGroup = { subject: 'locks', rows }
