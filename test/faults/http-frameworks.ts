// The same three routes on either framework: a buffered answer, a stream, and work that holds a lock and a permit.

import { createServer, type Server } from 'node:http'
import type { Adapter } from 'holdfast'
import type { Drainable } from 'holdfast/express'

/** What the handlers answer, by the key of their request. */
export interface Answering {
  buffered(key: string): Promise<string>
  streamed(key: string): AsyncIterable<string>
  slow(key: string): Promise<string>
}

export interface Listening {
  readonly server: Server
  readonly scopes: Drainable
}

/** Long enough for a busy machine, short enough to see it end. */
const LEASE = 3_000

const held = {
  lock: { key: 'bay', timeout: 10_000 },
  semaphore: { limit: 2, key: 'bay', timeout: 10_000 },
}

/** Listens on a free port; a framework is loaded where it is used, because the program starts hundreds of times. */
export async function listen(
  framework: 'express' | 'hono',
  provider: Adapter,
  answering: Answering,
): Promise<Listening> {
  const listener = await (framework === 'express' ? onExpress : onHono)(provider, answering)
  const server = createServer(listener.handle).listen(0, '127.0.0.1')
  return { server, scopes: listener.scopes }
}

type Handle = Parameters<typeof createServer>[1]

async function onExpress(
  provider: Adapter,
  { buffered, streamed, slow }: Answering,
): Promise<{ handle: Handle; scopes: Drainable }> {
  const [{ default: express }, { idempotency, protect, requestScope }] = await Promise.all([
    import('express'),
    import('holdfast/express'),
  ])
  const scopes = requestScope({ provider })
  const once = idempotency({ required: true, lease: LEASE })
  const app = express()
  app.use(scopes, express.json())
  app.post('/buffered', once, async (req, res) => {
    res
      .status(201)
      .type('json')
      .send(await buffered(req.holdfast.idempotency?.key ?? ''))
  })
  app.post('/streamed', once, async (req, res) => {
    for await (const chunk of streamed(req.holdfast.idempotency?.key ?? '')) res.write(chunk)
    res.end()
  })
  app.post('/slow', protect(held), async (_req, res) => {
    res.type('json').send(await slow('slow'))
  })
  return { handle: app, scopes }
}

async function onHono(
  provider: Adapter,
  { buffered, streamed, slow }: Answering,
): Promise<{ handle: Handle; scopes: Drainable }> {
  const [{ Hono }, { stream }, { getRequestListener }, { idempotency, protect, requestScope }] =
    await Promise.all([
      import('hono'),
      import('hono/streaming'),
      import('@hono/node-server'),
      import('holdfast/hono'),
    ])
  const scopes = requestScope({ provider })
  const once = idempotency({ required: true, lease: LEASE })
  const json = { 'content-type': 'application/json' }
  const app = new Hono()
    .use(scopes)
    .post('/buffered', once, async (c) =>
      c.body(await buffered(c.var.holdfast.idempotency?.key ?? ''), 201, json),
    )
    .post('/streamed', once, (c) =>
      stream(c, async (out) => {
        for await (const chunk of streamed(c.var.holdfast.idempotency?.key ?? '')) {
          await out.write(chunk)
        }
      }),
    )
    .post('/slow', protect(held), async (c) => c.body(await slow('slow'), 200, json))
  return { handle: getRequestListener(app.fetch), scopes }
}
