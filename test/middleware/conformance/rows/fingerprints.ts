// Which requests are the same request: what belongs to the fingerprint, and what to the key space.

import { gzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { expectProblem, problems } from '../problem.ts'
import { expectReplay } from '../replay.ts'
import { json } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import type { Mount } from '../service.ts'

const rows: Row[] = [
  {
    name: 'the order of JSON keys is irrelevant where the body was parsed, at every depth',
    only: 'express',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], ({ run }) => json(run))
      const send = (body: string) => service.client.post('/', { key: 'k', body })
      const first = await send('{"a":1,"b":{"c":[1,{"d":2,"e":3}],"f":null}}')
      expectReplay(await send('{ "b": {"f":null, "c":[1,{"e":3,"d":2}]}, "a": 1 }'), first)
      expectProblem(await send('{"a":1,"b":{"c":[{"d":2,"e":3},1],"f":null}}'), problems.mismatch)
    },
  },
  ...(['raw', 'json that keeps the bytes'] as const).map(
    (parser): Row => ({
      name: `the bytes of the body count where they are there: ${parser}`,
      check: async ({ store, serveAll }) => {
        const service = await serveAll({
          parser,
          use: [['requestScope', { provider: store }]],
          routes: { 'POST /': { guards: [['idempotency']], handler: ({ run }) => json(run) } },
        })
        const send = (body: string) => service.client.post('/', { key: 'k', body })
        const first = await send('{"a":1,"b":2}')
        expectReplay(await send('{"a":1,"b":2}'), first)
        expectProblem(await send('{"b":2,"a":1}'), problems.mismatch)
      },
    }),
  ),
  {
    name: 'a key named __proto__ counts like any other',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], ({ run }) => json(run))
      await service.client.post('/', { key: 'k', body: '{"__proto__":{"admin":true}}' })
      expectProblem(await service.client.post('/', { key: 'k', body: '{}' }), problems.mismatch)
    },
  },
  {
    name: 'the query counts',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], ({ run }) => json(run))
      const first = await service.client.post('/?currency=EUR', { key: 'k' })
      expectReplay(await service.client.post('/?currency=EUR', { key: 'k' }), first)
      for (const path of ['/?currency=USD', '/', '/?']) {
        const other = await service.client.post(path, { key: 'k' })
        expect([path, other.status]).toEqual([path, 422])
      }
    },
  },
  {
    name: 'the media type counts, its parameters and its case do not',
    check: async ({ store, serveAll }) => {
      const service = await serveAll({
        parser: 'raw',
        use: [['requestScope', { provider: store }]],
        routes: { 'POST /': { guards: [['idempotency']], handler: ({ run }) => json(run) } },
      })
      const send = (type: string) => service.client.post('/', { key: 'k', body: '{}', type })
      const first = await send('application/json')
      expectReplay(await send('Application/JSON; charset=utf-8'), first)
      expectProblem(await send('text/plain'), problems.mismatch)
    },
  },
  {
    name: 'other headers do not count',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], ({ run }) => json(run))
      const first = await service.client.post('/', { key: 'k', headers: { 'user-agent': 'a/1' } })
      expectReplay(
        await service.client.post('/', {
          key: 'k',
          headers: { 'user-agent': 'b/2', accept: '*/*' },
        }),
        first,
      )
    },
  },
  {
    name: 'a key is another key on another path, and with another method',
    check: async ({ store, serveAll }) => {
      const service = await serveAll({
        use: [['requestScope', { provider: store }], ['idempotency']],
        routes: {
          'POST /a': { handler: () => json('post a') },
          'PATCH /a': { handler: () => json('patch a') },
          'POST /items/:id': { handler: ({ path }) => json(path) },
        },
      })
      const send = (method: string, path: string) =>
        service.client.request({ method, path, key: 'k' })
      expect((await send('POST', '/a')).json()).toBe('post a')
      expect((await send('PATCH', '/a')).json()).toBe('patch a')
      expect((await send('POST', '/items/1')).json()).toBe('/items/1')
      expect((await send('POST', '/items/2')).json()).toBe('/items/2')
      expect(service.runs()).toBe(4)
    },
  },
  {
    name: 'a key is another key below another mount point',
    check: async ({ store, serveAll }) => {
      const routes = (name: string) => ({
        'POST /x': { guards: [['idempotency'] as const], handler: () => json(name) },
      })
      const service = await serveAll({
        use: [['requestScope', { provider: store }]],
        routes: {},
        below: { '/a': routes('a'), '/b': routes('b') },
      })
      expect((await service.client.post('/a/x', { key: 'k' })).json()).toBe('a')
      expect((await service.client.post('/b/x', { key: 'k' })).json()).toBe('b')
      const again = await service.client.post('/a/x', { key: 'k' })
      expect([again.json(), again.headers['idempotent-replayed']]).toEqual(['a', 'true'])
    },
  },
  {
    name: 'an own `fingerprint` says what counts instead',
    check: async ({ serve }) => {
      const service = await serve(
        [['idempotency', { fingerprint: ({ header }) => header('x-order') ?? '' }]],
        ({ run }) => json(run),
      )
      const send = (order: string, amount: number) =>
        service.client.post('/', { key: 'k', headers: { 'x-order': order }, body: { amount } })
      const first = await send('1', 10)
      expectReplay(await send('1', 11), first)
      expectProblem(await send('2', 10), problems.mismatch)
    },
  },
  {
    name: 'the handler reads the same body that was fingerprinted',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], ({ body }) => json(body))
      const body = { text: 'ü€𝄞', list: [1, null, true], big: 'x'.repeat(50_000) }
      expect((await service.client.post('/', { key: 'k', body })).json()).toEqual(body)
    },
  },
  {
    name: 'a body larger than `maxRequestBytes` is refused before anything is stored',
    check: async ({ serve, store }) => {
      const service = await serve([['idempotency', { maxRequestBytes: 100 }]], () => json('ran'))
      const answer = await service.client.post('/', { key: 'k', body: { a: 'x'.repeat(100) } })
      expectProblem(answer, problems.tooLarge)
      expect(service.runs()).toBe(0)
      expect(store.calls).toEqual([])
    },
  },
  ...(['raw', 'json'] as const).map(
    (parser): Row => ({
      name: `a body of unannounced length is measured too: ${parser}`,
      check: async ({ store, serveAll }) => {
        const guards: Mount[] = [['idempotency', { maxRequestBytes: 100 }]]
        const service = await serveAll({
          parser,
          use: [['requestScope', { provider: store }]],
          routes: { 'POST /': { guards, handler: () => json(1) } },
        })
        const send = (length: number) =>
          service.client.post('/', { key: 'k', body: ['x'.repeat(length - 4)], chunked: true })
        expectProblem(await send(101), problems.tooLarge)
        expect((await send(100)).status).toBe(200)
      },
    }),
  ),
  {
    name: 'of a compressed body that was parsed, what it became is measured',
    only: 'express',
    check: async ({ serve }) => {
      const service = await serve([['idempotency', { maxRequestBytes: 100 }]], () => json(1))
      const send = (length: number) => {
        const body = gzipSync(JSON.stringify(['x'.repeat(length - 4)]))
        const headers = { 'content-encoding': 'gzip' }
        return service.client.post('/', { key: 'k', body, headers, type: 'application/json' })
      }
      expectProblem(await send(10_000), problems.tooLarge)
      expect((await send(100)).status).toBe(200)
    },
  },
  {
    name: 'a fingerprint of the application’s own that is no text is its fault, and is said to be',
    check: async ({ store, serveAll }) => {
      const seen: unknown[] = []
      const service = await serveAll({
        use: [
          ['requestScope', { provider: store }],
          ['idempotency', { fingerprint: () => 5 as never }],
        ],
        routes: { 'POST /': { handler: () => json('ran') } },
        fails: (error) => seen.push((error as Error).message),
      })
      expect((await service.client.post('/', { key: 'k' })).status).toBe(500)
      expect(seen).toEqual(['Expected `fingerprint` to be a function that answers a string, got 5'])
    },
  },
  {
    name: 'a body that nobody has parsed is a fault of the configuration, and says what to mount',
    only: 'express',
    check: async ({ store, serveAll }) => {
      const service = await serveAll({
        parser: 'none',
        use: [['requestScope', { provider: store }]],
        routes: { 'POST /': { guards: [['idempotency']], handler: () => json('ran') } },
      })
      const answer = await service.client.post('/', { key: 'k', body: { amount: 10 } })
      expectProblem(answer, problems.bodyUnread)
      expect(answer.json<{ detail: string }>().detail).toContain('express.json()')
      expect(service.runs()).toBe(0)
      expect(store.calls).toEqual([])
      expect((await service.client.post('/', { key: 'k' })).json()).toBe('ran')
    },
  },
  {
    name: 'a body that the mounted parser has left unread is one that nobody has parsed',
    only: 'express',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], () => json('ran'))
      const answer = await service.client.post('/', { key: 'k', body: 'a=1', type: 'text/plain' })
      expectProblem(answer, problems.bodyUnread)
    },
  },
]

export const fingerprints: RowGroup = { subject: 'what makes a request the same request', rows }
