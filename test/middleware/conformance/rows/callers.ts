// Whose answers a key can reach: those of the same caller alone.

import { expect } from 'vitest'
import { expectProblem, problems } from '../problem.ts'
import { expectReplay } from '../replay.ts'
import { json } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'

const as = (authorization: string) => ({ key: 'k', headers: { authorization } })

const rows: Row[] = [
  {
    name: 'callers with another Authorization have keys of their own',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], ({ header }) => json(header('authorization')))
      const alice = await service.client.post('/', as('Bearer alice'))
      const bob = await service.client.post('/', as('Bearer bob'))
      const nobody = await service.client.post('/', { key: 'k' })
      expect([alice.json(), bob.json(), nobody.text]).toEqual(['Bearer alice', 'Bearer bob', ''])
      expectReplay(await service.client.post('/', as('Bearer alice')), alice)
      expect(service.runs()).toBe(3)
    },
  },
  {
    name: '`scope` says who the caller is instead',
    check: async ({ serve }) => {
      const service = await serve(
        [['idempotency', { scope: async ({ header }) => header('x-tenant') }]],
        ({ run }) => json(run),
      )
      const send = (tenant: string, token: string) =>
        service.client.post('/', {
          key: 'k',
          headers: { 'x-tenant': tenant, authorization: token },
        })
      const first = await send('a', 'Bearer 1')
      expectReplay(await send('a', 'Bearer 2'), first)
      expect((await send('b', 'Bearer 1')).json()).toBe(2)
    },
  },
  {
    name: 'a caller whom `scope` does not know cannot use a key',
    check: async ({ serve, store }) => {
      const service = await serve(
        [['idempotency', { scope: ({ header }) => header('x-tenant') }]],
        () => json('ran'),
      )
      expectProblem(await service.client.post('/', { key: 'k' }), problems.noScope)
      expect(service.runs()).toBe(0)
      expect(store.calls).toEqual([])
    },
  },
  {
    name: 'scope and key cannot be shifted into one another',
    check: async ({ serve }) => {
      const service = await serve(
        [['idempotency', { scope: ({ header }) => header('x-tenant') }]],
        ({ run }) => json(run),
      )
      const send = (tenant: string, key: string) =>
        service.client.post('/', { key, headers: { 'x-tenant': tenant } })
      expect((await send('a', 'b:c')).json()).toBe(1)
      expect((await send('a:b', 'c')).json()).toBe(2)
    },
  },
  {
    name: 'the store is given nothing that a client would not want it to know: no name, no secret, no cookie',
    check: async ({ serve, store }) => {
      const service = await serve([['idempotency'], ['lock', { key: 'a' }]], ({ setHeader }) => {
        setHeader('Set-Cookie', 'session=secret-of-the-answer')
        return json('done', 201, [['X-Token', 'secret-of-a-header']])
      })
      const first = await service.client.post('/', {
        key: 'the}key{of-a-client',
        headers: {
          authorization: 'Bearer secret',
          cookie: 'session=secret',
          'x-api-key': 'secret',
        },
        body: { password: 'secret-of-the-body' },
      })
      expect(first.status).toBe(201)
      const records = store.given.filter((_args, at) => store.calls[at] === 'records.begin')
      expect(records).toMatchObject([
        [{ record: expect.stringMatching(/^idempotency:[\w-]{43}$/) }],
      ])
      const everything = JSON.stringify(store.given)
      expect(everything).toContain('done')
      expect(everything).not.toMatch(/secret|the\}key|Bearer|session/i)
    },
  },
  {
    name: '`maxKeys` bounds the records of a caller: a new key more is answered 429, and replays and other callers are not',
    check: async ({ serve }) => {
      const service = await serve([['idempotency', { maxKeys: 4, ttl: 3_600_000 }]], ({ run }) =>
        json(run),
      )
      const send = (key: string, authorization = 'Bearer alice') =>
        service.client.post('/', { key, headers: { authorization } })
      // As many at once as there is room for, and half as many again over the time that they are kept.
      const first = await send('1')
      expect((await send('2')).status).toBe(200)
      const refused = await send('3')
      expectProblem(refused, problems.quotaExceeded)
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(60)
      expectReplay(await send('1'), first)
      expect((await send('3', 'Bearer bob')).status).toBe(200)
      expect(service.runs()).toBe(3)
    },
  },
  {
    name: 'a scope that is no name is a fault of the application, and the handler does not run',
    check: async ({ serve, store }) => {
      const scopes = ['', null, 7, {}]
      const service = await serve([['idempotency', { scope: () => scopes.pop() as string }]], () =>
        json('ran'),
      )
      while (scopes.length > 0) {
        expect((await service.client.post('/', { key: 'k' })).status).toBe(500)
      }
      expect(service.runs()).toBe(0)
      expect(store.calls).toEqual([])
    },
  },
  {
    name: 'a replay comes after authentication: who may no longer ask gets no answer',
    check: async ({ store, serveAll }) => {
      const service = await serveAll({
        use: [
          ['requestScope', { provider: store }],
          ['authenticates'],
          ['idempotency', { scope: () => 'shop' }],
        ],
        routes: { 'POST /': { handler: () => json('done', 201) } },
      })
      const first = await service.client.post('/', as('Bearer alice'))
      expect(first.status).toBe(201)
      expect((await service.client.post('/', { key: 'k' })).status).toBe(401)
      expectReplay(await service.client.post('/', as('Bearer alice')), first)
    },
  },
]

export const callers: RowGroup = { subject: 'whose keys they are', rows }
