// Loads the package as a runtime has it that knows nothing of Node, and serves requests through `app.fetch` there.

import { isBuiltin, registerHooks } from 'node:module'
import { tell } from '../support/parent.ts'

/** What Node adds to the globals of the web, and other runtimes have not or only on request. */
const OF_NODE = ['process', 'Buffer', 'global', 'setImmediate', 'clearImmediate']

const { setTimeout: nodeTimeout } = globalThis
registerHooks({
  resolve: (specifier, context, next) => {
    if (isBuiltin(specifier)) {
      throw new Error(`${context.parentURL} imports ${specifier}, which is not there`)
    }
    return next(specifier, context)
  },
})
for (const name of OF_NODE) {
  const value: unknown = Reflect.get(globalThis, name)
  Object.defineProperty(globalThis, name, {
    // Node's own Fetch API needs them too: there they are for it, and for nobody else.
    get: () => (isAskedByNode() ? value : undefined),
  })
}
// Elsewhere a timer is a number, which has no methods.
globalThis.setTimeout = ((...args: Parameters<typeof nodeTimeout>) =>
  Number(nodeTimeout(...args))) as never

const { Hono } = await import('hono')
const { streamSSE } = await import('hono/streaming')
const { currentScope, MemoryAdapter } = await import('holdfast')
const { idempotency, lock, protect, requestScope } = await import('holdfast/hono')

// What this test would miss is worth nothing: the globals are gone, and what imports a module of Node fails.
const left = OF_NODE.filter((name) => Reflect.get(globalThis, name) !== undefined)
const redis = await import('holdfast/redis').then(
  () => 'loaded',
  ({ message }: Error) => message,
)

let runs = 0
const behind: Promise<unknown>[] = []
const scopes = requestScope({ provider: new MemoryAdapter(), timeout: 5_000 })
const app = new Hono()
  .use(scopes)
  .post('/pay', idempotency({ required: true }), async (c) =>
    c.json({ run: ++runs, ...(await c.req.json<object>()) }, 201),
  )
  .post('/after', idempotency({ commit: 'after' }), (c) => c.text('done'))
  .post(
    '/ship',
    protect({ lock: { key: 'order' }, semaphore: { limit: 1, key: 'bay' }, timeout: 1_000 }),
    (c) => c.json([c.var.holdfast.lock?.held, currentScope() === undefined]),
  )
  .get('/events', lock({ key: 'events' }), (c) =>
    streamSSE(c, async (out) => {
      for (const data of ['a', 'b']) await out.writeSSE({ data })
    }),
  )

const ctx = {
  waitUntil: (work: Promise<unknown>) => behind.push(work),
  passThroughOnException() {},
  props: {},
}
const ask = async (method: string, path: string, key?: string, body?: object) => {
  const headers = new Headers({ 'content-type': 'application/json' })
  if (key !== undefined) headers.set('idempotency-key', key)
  const request = new Request(`https://shop.example${path}`, {
    method,
    headers,
    ...(body && { body: JSON.stringify(body) }),
  })
  const answer = await app.fetch(request, {}, ctx)
  return [answer.status, answer.headers.get('idempotent-replayed'), await answer.text()]
}

const answers = {
  first: await ask('POST', '/pay', '"k"', { amount: 10 }),
  again: await ask('POST', '/pay', 'k', { amount: 10 }),
  other: (await ask('POST', '/pay', 'k', { amount: 11 }))[0],
  missing: (await ask('POST', '/pay', undefined, {}))[0],
  after: await ask('POST', '/after', 'k'),
  ship: await ask('POST', '/ship'),
  events: await ask('GET', '/events'),
}
// The record that is written behind its answer, and the stream that goes on behind it.
const waitedFor = behind.length
await Promise.all(behind)
const drained = await scopes.drain()
const refused = (await ask('POST', '/ship'))[0]

tell('served', { left, redis, answers, waitedFor, drained, refused, runs })

/** Whether the code that reads a global is Node's, or this program's with which it talks to the test. */
function isAskedByNode(): boolean {
  const caller = new Error().stack?.split('\n')[3] ?? ''
  return caller.includes('node:internal') || caller.includes('/test/support/')
}
