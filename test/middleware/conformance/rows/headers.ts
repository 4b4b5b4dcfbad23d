// Which headers of an answer are kept for its replays: those of the answer, none of the exchange or of its reader.

import { expect } from 'vitest'
import { expectReplay } from '../replay.ts'
import { type Headers, json } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import type { Mount } from '../service.ts'

const KEPT: Headers = [
  ['Cache-Control', 'max-age=60'],
  ['Content-Disposition', 'attachment; filename="a.json"'],
  ['Content-Language', 'de'],
  ['Content-Location', '/payments/1'],
  ['ETag', '"v1"'],
  ['Last-Modified', 'Mon, 02 Nov 2026 10:00:00 GMT'],
  ['Link', '</payments/1>; rel="self"'],
  ['Location', '/payments/1'],
  ['Vary', 'Accept'],
]

const NEVER: Headers = [
  ['Set-Cookie', 'session=secret'],
  ['WWW-Authenticate', 'Bearer'],
  ['Proxy-Authenticate', 'Basic'],
  ['Retry-After', '3'],
  ['RateLimit', '"default";r=1;t=2'],
  ['RateLimit-Policy', '"default";q=1;w=2'],
  ['Traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ['X-Request-Id', 'request-1'],
  ['Access-Control-Allow-Origin', 'https://shop.example'],
  ['X-Internal', 'of the first exchange'],
]

const rows: Row[] = [
  ...KEPT.map(
    ([name, value]): Row => ({
      name: `${name} is kept`,
      check: async ({ serve }) => {
        const service = await serve([['idempotency']], () => json('done', 201, [[name, value]]))
        const first = await service.client.post('/', { key: 'k' })
        expect(first.all(name.toLowerCase()).join()).toContain(value)
        expectReplay(await service.client.post('/', { key: 'k' }), first)
      },
    }),
  ),
  ...NEVER.map(
    ([name, value]): Row => ({
      name: `${name} is not kept`,
      check: async ({ serve }) => {
        const service = await serve([['idempotency']], () => json('done', 201, [[name, value]]))
        const first = await service.client.post('/', { key: 'k' })
        expect(first.all(name.toLowerCase())).toEqual([value])
        const again = await service.client.post('/', { key: 'k' })
        expect(again.headers['idempotent-replayed']).toBe('true')
        expect(again.all(name.toLowerCase())).toEqual([])
      },
    }),
  ),
  {
    name: 'several values of one header stay several',
    check: async ({ serve }) => {
      const several: Headers = [
        ['Link', '</a>; rel="self"'],
        ['Link', '</b>; rel="next"'],
        ['Vary', 'Accept'],
        ['Vary', 'Origin'],
      ]
      const service = await serve([['idempotency']], () => json('done', 200, several))
      const first = await service.client.post('/', { key: 'k' })
      expect(first.all('link').join(', ')).toBe('</a>; rel="self", </b>; rel="next"')
      expect(first.all('vary').join(', ')).toBe('Accept, Origin')
      const again = await service.client.post('/', { key: 'k' })
      expectReplay(again, first)
      expect(again.all('link')).toEqual(first.all('link'))
    },
  },
  {
    name: '`headers` keeps more of them, but none that is somebody’s own',
    check: async ({ serve }) => {
      const service = await serve(
        [['idempotency', { headers: ['X-Internal', 'Set-Cookie', 'x-request-id', 'Date'] }]],
        () =>
          json('done', 200, [
            ['X-Internal', 'kept'],
            ['Set-Cookie', 'session=secret'],
            ['X-Request-Id', 'request-1'],
          ]),
      )
      await service.client.post('/', { key: 'k' })
      const again = await service.client.post('/', { key: 'k' })
      expect(again.headers['x-internal']).toBe('kept')
      expect(again.headers['set-cookie']).toBeUndefined()
      expect(again.headers['x-request-id']).toBeUndefined()
      expect(again.all('date')).toHaveLength(1)
    },
  },
  {
    name: 'the length is counted anew, and there is one',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], () => ({ as: 'pieces', pieces: ['ab', 'ü'] }))
      const first = await service.client.post('/', { key: 'k' })
      const again = await service.client.post('/', { key: 'k' })
      expectReplay(again, first)
      expect(again.all('content-length')).toEqual(['4'])
    },
  },
  {
    name: 'what outer middlewares set is set anew on a replay and on a refusal',
    check: async ({ store, serveAll }) => {
      let requests = 0
      const service = await serveAll({
        use: [
          ['sets', 'X-Request-Id', () => `request-${++requests}`],
          ['sets', 'Access-Control-Allow-Origin', () => `https://origin-${requests}.example`],
          ['requestScope', { provider: store }],
        ],
        routes: {
          'POST /': { guards: [['idempotency']], handler: () => json('done', 201) },
        },
      })
      const seen = []
      for (const body of [{ a: 1 }, { a: 1 }, { a: 2 }]) {
        const { status, headers } = await service.client.post('/', { key: 'k', body })
        seen.push([status, headers['x-request-id'], headers['access-control-allow-origin']])
      }
      expect(seen).toEqual([
        [201, 'request-1', 'https://origin-1.example'],
        [201, 'request-2', 'https://origin-2.example'],
        [422, 'request-3', 'https://origin-3.example'],
      ])
    },
  },
  {
    name: 'a replay is for the origin that asks now; preflight requests need no key',
    check: async ({ store, serveAll }) => {
      const service = await serveAll({
        use: [
          ['cors'],
          ['requestScope', { provider: store }],
          ['idempotency', { required: true, methods: ['POST', 'OPTIONS'] }],
        ],
        routes: { 'POST /': { handler: () => json('done', 201, [['Vary', 'Accept']]) } },
      })
      const preflight = await service.client.request({
        method: 'OPTIONS',
        headers: { origin: 'https://a.example', 'access-control-request-method': 'POST' },
      })
      expect(preflight.status).toBe(204)
      for (const origin of ['https://a.example', 'https://b.example']) {
        const answer = await service.client.post('/', { key: 'k', headers: { origin } })
        expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([
          201,
          origin,
        ])
        expect(answer.all('vary').join(', ')).toMatch(/^(?=.*Origin)(?=.*Accept)/i)
      }
      expect(service.runs()).toBe(1)
    },
  },
  ...(['outside', 'inside'] as const).map(
    (where): Row => ({
      name: `a session that sets its cookie last does so ${where} of the guards as well`,
      check: async ({ store, serveAll }) => {
        const session: Mount = ['sets-late', 'Set-Cookie', () => 'session=1']
        const guards: Mount[] = [
          ['requestScope', { provider: store }],
          ['idempotency'],
          ['lock', { key: 'a' }],
        ]
        const service = await serveAll({
          use: where === 'outside' ? [session, ...guards] : [...guards, session],
          routes: {
            'POST /': { handler: () => json('done', 201, [['Vary', 'Accept']]) },
            'POST /pieces': { handler: () => ({ as: 'pieces', pieces: ['pie', 'ces'] }) },
            'POST /empty': { handler: () => ({ as: 'empty', status: 204 }) },
          },
        })
        for (const path of ['/', '/pieces', '/empty']) {
          const first = await service.client.post(path, { key: 'k' })
          expect([path, first.all('set-cookie')]).toEqual([path, ['session=1']])
          const again = await service.client.post(path, { key: 'k' })
          expect(again.headers['idempotent-replayed']).toBe('true')
          // A replay runs nothing that is inside.
          expect(again.all('set-cookie')).toEqual(where === 'outside' ? ['session=1'] : [])
        }
      },
    }),
  ),
]

export const headers: RowGroup = { subject: 'the headers of a replay', rows }
