// What every guard can be told: to be off, to answer otherwise, to call its problems by other names.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { fails } from '../../../support/faulty-adapter.ts'
import { expectProblem, problems } from '../problem.ts'
import { json, text } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import type { Asked, Mount } from '../service.ts'

const rows: Row[] = [
  ...(['enabled', 'skip'] as const).map(
    (option): Row => ({
      name: `a guard that ${option === 'enabled' ? 'is not enabled' : 'is skipped'} lets everything pass`,
      check: async ({ serve, store }) => {
        const off = option === 'enabled' ? { enabled: false } : { skip: async () => true }
        const guards: Mount[] = [
          ['idempotency', { required: true, ...off }],
          ['timeout', { timeout: 20, ...off }],
          ['lock', { key: 'a', ...off }],
          ['semaphore', { limit: 1, ...off }],
          ['rateLimit', { limit: 1, window: 60_000, ...off }],
          ['circuitBreaker', { failureThreshold: 1, ...off }],
        ]
        const service = await serve(guards, async ({ run, holdfast }) => {
          await sleep(50)
          return json({ run, holdfast })
        })
        const answers = await Promise.all([
          service.client.post('/'),
          service.client.post('/', { key: 'not a key' }),
        ])
        expect(answers.map(({ status }) => status)).toEqual([200, 200])
        expect(answers[0]?.json()).toMatchObject({ holdfast: {} })
        expect(store.calls).toEqual([])
      },
    }),
  ),
  {
    name: '`skip` decides by the request',
    check: async ({ serve }) => {
      const service = await serve(
        [['idempotency', { skip: ({ header }) => header('x-internal') === 'yes' }]],
        ({ run }) => json(run),
      )
      await service.client.post('/', { key: 'k' })
      const skipped = await service.client.post('/', { key: 'k', headers: { 'x-internal': 'yes' } })
      expect(skipped.json()).toBe(2)
      expect((await service.client.post('/', { key: 'k' })).json()).toBe(1)
    },
  },
  {
    name: 'a callback that throws is a fault of the application, and the handler does not run',
    check: async ({ store, serveAll }) => {
      const broken = () => {
        throw new Error('no tenant')
      }
      const seen: unknown[] = []
      const handler = () => json('ran')
      const service = await serveAll({
        use: [['requestScope', { provider: store }]],
        routes: {
          'POST /scope': { guards: [['idempotency', { scope: broken }]], handler },
          'POST /fingerprint': { guards: [['idempotency', { fingerprint: broken }]], handler },
          'POST /skip': { guards: [['idempotency', { skip: broken }]], handler },
          'POST /key': { guards: [['lock', { key: broken }]], handler },
          'POST /limit': { guards: [['semaphore', { limit: broken }]], handler },
          'POST /rate': { guards: [['rateLimit', { limit: broken, window: 1_000 }]], handler },
          'POST /cost': {
            guards: [['rateLimit', { limit: 1, window: 1_000, cost: broken }]],
            handler,
          },
        },
        fails: (error) => seen.push((error as Error).message),
      })
      const paths = ['/scope', '/fingerprint', '/skip', '/key', '/limit', '/rate', '/cost']
      for (const path of paths) {
        expect([path, (await service.client.post(path, { key: 'k' })).status]).toEqual([path, 500])
      }
      expect(seen).toEqual(Array(paths.length).fill('no tenant'))
      expect(service.runs()).toBe(0)
    },
  },
  {
    name: '`onRefused` answers instead',
    check: async ({ serve }) => {
      const service = await serve(
        [
          [
            'idempotency',
            {
              required: true,
              onRefused: (error, { path }) =>
                json({ sorry: path, name: (error as Error).name }, 418, [['X-Own', 'yes']]),
            },
          ],
        ],
        () => json('ran'),
      )
      const answer = await service.client.post('/')
      expect([
        answer.status,
        answer.headers['x-own'],
        answer.json<{ sorry: string }>().sorry,
      ]).toEqual([418, 'yes', '/'])
      expect(service.runs()).toBe(0)
    },
  },
  {
    name: '`onRefused` may take its time, and what it fails with is answered by the framework',
    check: async ({ store, serveAll }) => {
      const seen: unknown[] = []
      const onRefused = async (_error: unknown, { header }: Asked) => {
        await sleep(1)
        if (header('x-fails')) throw new Error('no template')
        return text('sorry', 418)
      }
      const service = await serveAll({
        use: [['requestScope', { provider: store }]],
        routes: {
          'POST /': {
            guards: [['idempotency', { required: true, onRefused }]],
            handler: () => json('ran'),
          },
        },
        fails: (error) => seen.push((error as Error).message),
      })
      expect((await service.client.post('/')).status).toBe(418)
      expect((await service.client.post('/', { headers: { 'x-fails': 'yes' } })).status).toBe(500)
      expect(seen).toEqual(['no template'])
    },
  },
  {
    name: '`onRefused` may leave the error to the framework, and what that answers is not stored',
    check: async ({ store, serveAll }) => {
      const seen: unknown[] = []
      const service = await serveAll({
        use: [['requestScope', { provider: store }], ['idempotency']],
        routes: {
          'POST /': {
            guards: [['lock', { key: 'a', onRefused: () => 'next' }]],
            handler: () => json('done'),
          },
        },
        fails: (error) => seen.push(error),
      })
      store.always('grants.acquire', fails(new Error('gone')))
      const refused = await service.client.post('/', { key: 'k' })
      // The error says which status is meant, as error handlers expect of it.
      expect([refused.status, refused.headers['idempotent-replayed']]).toEqual([503, undefined])
      expect(seen).toMatchObject([{ code: 'ERR_HOLDFAST_STORE_UNAVAILABLE' }])
      store.always('grants.acquire', undefined)
      expect((await service.client.post('/', { key: 'k' })).json()).toBe('done')
    },
  },
  {
    name: 'an own answer to an inner refusal is not stored either',
    check: async ({ store, serve }) => {
      const service = await serve(
        [['idempotency'], ['lock', { key: 'a', onRefused: () => text('sorry', 200) }]],
        () => json('done'),
      )
      store.always('grants.acquire', fails(new Error('gone')))
      expect((await service.client.post('/', { key: 'k' })).text).toBe('sorry')
      store.always('grants.acquire', undefined)
      expect((await service.client.post('/', { key: 'k' })).json()).toBe('done')
    },
  },
  {
    name: 'a guard of protect() that answers for the handler names its problem by its own base',
    check: async ({ serve }) => {
      const problemBase = 'https://shop.example/problems/'
      const service = await serve(
        [['protect', { idempotency: {}, timeout: { timeout: 20, problemBase } }]],
        async ({ signal }) => {
          await once(signal, 'abort')
          return json('too late')
        },
      )
      expectProblem(await service.client.post('/'), problems.timeout, problemBase)
    },
  },
  {
    name: 'the types of problems may start elsewhere',
    check: async ({ serve }) => {
      const problemBase = 'https://shop.example/problems/'
      const service = await serve([['idempotency', { required: true, problemBase }]], () =>
        json('ran'),
      )
      expectProblem(await service.client.post('/'), problems.keyMissing, problemBase)
    },
  },
]

export const options: RowGroup = { subject: 'what every guard can be told', rows }
