// Who a client is to a limit: its address, which nobody can choose, however many addresses it has.

import { once } from 'node:events'
import { expect } from 'vitest'
import type { Adapter } from '../../../../src/core/ports.ts'
import { deferred } from '../../../support/deferred.ts'
import { expectProblem, problems } from '../problem.ts'
import { json } from '../reply.ts'
import type { Bench, Row, RowGroup } from '../row.ts'
import type { Mount, Service, ServiceSpec } from '../service.ts'

const HOUR = 3_600_000

interface Proxied {
  readonly trusts: boolean | string
  readonly options?: object
}

/** A service with one request an hour for each client, which believes what its framework believes of proxies. */
function limited(
  { framework, serveAll, store }: Pick<Bench, 'framework' | 'serveAll'> & { store: Adapter },
  { trusts, options = {} }: Proxied,
  more: Partial<ServiceSpec> = {},
): Promise<Service> {
  const proxies =
    framework === 'hono' && typeof trusts === 'string' ? { trustedProxies: trusts.split(', ') } : {}
  const guard: Mount = [
    'rateLimit',
    { name: 'api', limit: 1, window: HOUR, ...proxies, ...options },
  ]
  return serveAll({
    trustProxy: trusts,
    use: [['requestScope', { provider: store }], guard],
    routes: { 'POST /': { handler: () => json('ran') } },
    ...more,
  })
}

const from = (service: Service, forwardedFor: string | readonly string[]) =>
  service.client.post('/', { headers: { 'x-forwarded-for': forwardedFor } })

const LOOPBACK = '127.0.0.0/8'

const rows: Row[] = [
  {
    name: 'a client is whoever is connected: without a proxy setting it cannot call itself otherwise',
    check: async (bench) => {
      const service = await limited(bench, { trusts: false })
      expect((await from(service, '203.0.113.1')).status).toBe(200)
      expectProblem(await from(service, '203.0.113.2'), problems.quotaExceeded)
      expectProblem(await service.client.post('/'), problems.quotaExceeded)
    },
  },
  {
    name: 'behind a trusted proxy it is the right-most address that is no proxy, whatever stands before it',
    check: async (bench) => {
      const service = await limited(bench, { trusts: `${LOOPBACK}, 10.0.0.0/8` })
      expect((await from(service, '203.0.113.1')).status).toBe(200)
      expect((await from(service, '203.0.113.2')).status).toBe(200)
      for (const header of [
        '203.0.113.1',
        '198.51.100.7, 203.0.113.1',
        '198.51.100.7, 203.0.113.1, 10.1.2.3',
        'unknown, 203.0.113.1',
        '203.0.113.1, 10.0.0.1,10.0.0.2',
      ]) {
        expectProblem(await from(service, header), problems.quotaExceeded)
      }
      // Several lines are one list.
      expectProblem(await from(service, ['198.51.100.7', '203.0.113.1']), problems.quotaExceeded)
      expect(service.runs()).toBe(2)
    },
  },
  {
    name: 'a client of IPv6 is a whole range of addresses, and one of IPv4 is the same in either form',
    check: async (bench) => {
      const service = await limited(bench, { trusts: LOOPBACK })
      expect((await from(service, '2001:db8:1:200::1')).status).toBe(200)
      expectProblem(await from(service, '2001:db8:1:2ff:ffff::2'), problems.quotaExceeded)
      expect((await from(service, '2001:db8:1:300::1')).status).toBe(200)
      expect((await from(service, '203.0.113.1')).status).toBe(200)
      expectProblem(await from(service, '::ffff:203.0.113.1'), problems.quotaExceeded)
      expectProblem(await from(service, '::FFFF:cb00:7101'), problems.quotaExceeded)
    },
  },
  {
    name: 'how many bits of IPv6 make a client can be chosen',
    check: async (bench) => {
      const service = await limited(bench, { trusts: LOOPBACK, options: { ipv6Prefix: 64 } })
      expect((await from(service, '2001:db8:1:200::1')).status).toBe(200)
      expect((await from(service, '2001:db8:1:201::1')).status).toBe(200)
      expectProblem(await from(service, '2001:db8:1:201::9'), problems.quotaExceeded)
    },
  },
  {
    name: 'what is no address is never a name: a proxy that sends it speaks for itself',
    check: async (bench) => {
      const service = await limited(bench, { trusts: LOOPBACK })
      expect((await from(service, 'unknown')).status).toBe(200)
      for (const garbage of ['_hidden', 'a b c', '999.1.1.1', '<script>']) {
        expectProblem(await from(service, garbage), problems.quotaExceeded)
      }
    },
  },
  {
    name: '`trust proxy: true` is warned of, and refused where that is asked for: anybody could choose an address',
    only: 'express',
    check: async (bench) => {
      const trusting = await limited(bench, { trusts: true })
      expect((await from(trusting, '203.0.113.1')).status).toBe(200)
      const seen: unknown[] = []
      const strict = await limited(
        bench,
        { trusts: true, options: { strict: true } },
        { fails: (error) => seen.push(error) },
      )
      expect((await from(strict, '203.0.113.1')).status).toBe(500)
      expect(seen).toMatchObject([
        {
          code: 'ERR_HOLDFAST_INVALID_ARGUMENT',
          message: expect.stringMatching(/`trust proxy` is true.*addresses of your proxies/),
        },
      ])
      expect(strict.runs()).toBe(0)
    },
  },
  {
    name: 'a proxy that nobody has configured is refused where that is asked for: all clients would be one',
    check: async (bench) => {
      const seen: unknown[] = []
      const strict = await limited(
        bench,
        { trusts: false, options: { strict: true } },
        { fails: (error) => seen.push(error) },
      )
      expect((await from(strict, '203.0.113.1')).status).toBe(500)
      expect(seen).toMatchObject([
        {
          code: 'ERR_HOLDFAST_INVALID_ARGUMENT',
          message: expect.stringMatching(/X-Forwarded-For.*a proxy.*(trust proxy|trustedProxies)/),
        },
      ])
      expect((await strict.client.post('/')).status).toBe(200)
    },
  },
  {
    name: 'proxies are configured in one place: in Express that is Express',
    only: 'express',
    check: async (bench) => {
      const seen: unknown[] = []
      const service = await limited(
        bench,
        { trusts: false, options: { trustedProxies: [LOOPBACK] } },
        { fails: (error) => seen.push(error) },
      )
      expect((await service.client.post('/')).status).toBe(500)
      expect(seen).toMatchObject([{ message: expect.stringMatching(/app\.set\('trust proxy'/) }])
    },
  },
  {
    name: 'permits for each client are told apart in the same way',
    check: async ({ serveAll, store, framework }) => {
      const proxies = framework === 'hono' ? { trustedProxies: [LOOPBACK] } : {}
      const service = await serveAll({
        trustProxy: LOOPBACK,
        use: [['requestScope', { provider: store }]],
        routes: {
          'POST /': {
            guards: [['semaphore', { limit: 1, perClient: true, ...proxies }]],
            handler: async ({ header }) => {
              // Somebody else is let in while this one is inside; somebody of the same client is not.
              const inner = header('x-forwarded-for') === '203.0.113.1'
              if (!inner) return json('inside')
              const other = await from(service, '203.0.113.2')
              const same = await from(service, '::ffff:203.0.113.1')
              return json([other.status, same.status])
            },
          },
        },
      })
      expect((await from(service, '203.0.113.1')).json()).toEqual([200, 429])
    },
  },
  {
    name: 'a client that has gone has no address, which is no fault of the application, also where it was let go',
    check: async ({ serveAll, store }) => {
      const arrived = deferred()
      const gate = deferred()
      const waits = (): Promise<void> => {
        arrived.resolve()
        return gate.promise
      }
      const seen: unknown[] = []
      const service = await serveAll({
        use: [
          ['requestScope', { provider: store, detachOnDisconnect: true }],
          ['waits', waits],
          ['rateLimit', { name: 'api', limit: 1, window: HOUR }],
        ],
        routes: { 'POST /': { handler: () => json('ran') } },
        fails: (error) => seen.push(error),
      })
      const connected = once(service.server, 'connection')
      const sent = service.client.send({})
      await arrived.promise
      const [socket] = await connected
      const closed = once(socket, 'close')
      sent.leave()
      await closed
      gate.resolve()
      await service.drain()
      expect([seen, service.runs()]).toEqual([[], 0])
    },
  },
  {
    name: 'a limit whose route is not known says that it needs a name',
    only: 'express',
    check: async ({ store, serveAll }) => {
      for (const guard of [
        ['rateLimit', { limit: 1, window: HOUR }],
        ['circuitBreaker'],
        ['semaphore', { limit: 1 }],
      ] as const) {
        const seen: unknown[] = []
        const service = await serveAll({
          use: [['requestScope', { provider: store }], guard],
          routes: { 'POST /': { handler: () => json('ran') } },
          fails: (error) => seen.push(error),
        })
        expect((await service.client.post('/')).status).toBe(500)
        expect(seen).toMatchObject([
          {
            code: 'ERR_HOLDFAST_INVALID_ARGUMENT',
            message: expect.stringContaining(`\`name\` in the options of ${guard[0]}()`),
          },
        ])
        expect(service.runs()).toBe(0)
      }
    },
  },
]

export const clients: RowGroup = { subject: 'who a client is', rows }
