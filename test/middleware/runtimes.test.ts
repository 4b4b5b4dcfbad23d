// Where a client's address comes from on each runtime that Hono runs on, and what is said where it is not known.

import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { MemoryAdapter } from '../../src/index.ts'
import { addressKey, rateLimit } from '../../src/middleware/hono/index.ts'

/** What is left to whoever asks, with what a runtime hands to `app.fetch` beside the request. */
function service(options: Partial<Parameters<typeof rateLimit>[0]> = {}) {
  const failures: unknown[] = []
  const app = new Hono()
    .use(
      rateLimit({
        provider: new MemoryAdapter(),
        name: 'api',
        limit: 10,
        window: 60_000,
        ...options,
      }),
    )
    .get('/', (c) => c.json(c.var.holdfast.rateLimit?.remaining))
  app.onError((error, c) => {
    failures.push(error)
    return c.text('failed', 500)
  })
  const ask = async (bindings: object | undefined, headers: Record<string, string> = {}) => {
    const answer = await app.request('/', { headers }, bindings)
    return answer.status === 200 ? answer.json() : answer.status
  }
  return { ask, failures }
}

const at = (address: string) => ({
  'Node.js': { incoming: { socket: { remoteAddress: address } }, outgoing: {} },
  Bun: { requestIP: () => ({ address, family: 'IPv4', port: 4711 }) },
  'Bun, with its server in an object': { server: { requestIP: () => ({ address }) } },
  Deno: { remoteAddr: { transport: 'tcp', hostname: address, port: 4711 } },
})

test.each(Object.keys(at('')) as (keyof ReturnType<typeof at>)[])(
  'on %s a client is the other end of the connection',
  async (runtime) => {
    const { ask } = service()
    expect(await ask(at('203.0.113.1')[runtime])).toBe(9)
    expect(await ask(at('203.0.113.2')[runtime])).toBe(9)
    expect(await ask(at('::ffff:203.0.113.1')[runtime])).toBe(8)
  },
)

test.each([
  ['without a server', undefined],
  ['on a runtime that does not tell', { CACHE: {} }],
  ['on a socket without addresses', { incoming: { socket: {} } }],
  ['on a server that has forgotten', { requestIP: () => null }],
])('%s it is not guessed: the error says what to do', async (_where, bindings) => {
  const { ask, failures } = service()
  const headers = { 'x-forwarded-for': '203.0.113.1', 'cf-connecting-ip': '203.0.113.1' }
  expect(await ask(bindings, headers)).toBe(500)
  expect(failures).toMatchObject([
    {
      code: 'ERR_HOLDFAST_INVALID_ARGUMENT',
      message: expect.stringMatching(/address of the client.*`key`/),
    },
  ])
})

test('behind an edge that writes a header of its own, that header makes the key', async () => {
  const { ask } = service({ key: (c) => addressKey(c.req.header('cf-connecting-ip') ?? '') })
  expect(await ask({}, { 'cf-connecting-ip': '2001:db8:1:200::1' })).toBe(9)
  expect(await ask({}, { 'cf-connecting-ip': '2001:db8:1:2ff::1' })).toBe(8)
  expect(await ask({}, {})).toBe(500)
})
