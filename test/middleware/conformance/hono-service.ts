// The test service in Hono, on @hono/node-server.

import { getRequestListener } from '@hono/node-server'
import { SpanKind, trace } from '@opentelemetry/api'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { compress } from 'hono/compress'
import { cors } from 'hono/cors'
import { HTTPException } from 'hono/http-exception'
import type { Scope } from '../../../src/index.ts'
import type { Drainable } from '../../../src/middleware/engine/index.ts'
import {
  circuitBreaker,
  idempotency,
  lock,
  type OnRefused,
  protect,
  rateLimit,
  requestScope,
  semaphore,
  timeout,
} from '../../../src/middleware/hono/index.ts'
import { adapt } from './adapt.ts'
import { reply } from './hono-reply.ts'
import { listening, Runs } from './listening.ts'
import type { Asked, Framework, Mount, Refusable, Route, ServiceSpec } from './service.ts'

const SERVER = { kind: SpanKind.SERVER }
const middlewares = {
  requestScope,
  idempotency,
  lock,
  semaphore,
  timeout,
  rateLimit,
  circuitBreaker,
  protect,
}

/** The service of Hono. */
export const honoFramework: Framework = {
  name: 'hono',
  serve: async (spec) => {
    const runs = new Runs()
    const scopes: Drainable[] = []
    const mounted = mounter(scopes)
    const app = new Hono()
    app.onError((error, c) => {
      spec.fails?.(error)
      // As Express does: an error may say which status it means.
      const { status = 500 } = error as { status?: number }
      return c.text(error.message, status as 500)
    })
    for (const mount of spec.use ?? []) app.use(mounted(mount))
    mountRoutes(app, spec.routes, '', runs, mounted)
    for (const [base, routes] of Object.entries(spec.below ?? {})) {
      const inner = new Hono()
      mountRoutes(inner, routes, base, runs, mounted)
      app.route(base, inner)
    }
    return listening(getRequestListener(app.fetch), runs, scopes)
  },
}

function mountRoutes(
  app: Hono,
  routes: ServiceSpec['routes'],
  base: string,
  runs: Runs,
  mounted: Mounter,
): void {
  for (const [name, { guards = [], handler }] of Object.entries<Route>(routes)) {
    const [method = '', path = ''] = name.split(' ')
    const counted = `${method} ${base}${path}`
    const handle = async (c: Context): Promise<Response> => {
      const { scope, holdfast = {} } = c.var as { scope?: Scope; holdfast?: object }
      return reply(
        c,
        await handler({
          ...asked(c),
          run: runs.add(counted),
          body: await parsed(c),
          scope,
          signal: scope?.signal ?? new AbortController().signal,
          holdfast,
          setHeader: (name, value) => c.header(name, value),
        }),
      )
    }
    app.on(method, [path], ...guards.map(mounted), handle)
  }
}

const asked = (c: Context): Asked => ({
  path: c.req.path,
  header: (name) => c.req.header(name),
})

async function parsed(c: Context): Promise<unknown> {
  if (c.req.header('content-type')?.startsWith('multipart/')) return c.req.parseBody()
  const body = await c.req.text()
  return body === '' ? undefined : JSON.parse(body)
}

/** Makes the middleware of a mount. */
type Mounter = (mount: Mount) => MiddlewareHandler

/** Makes middlewares, and notes those that can end the service. */
function mounter(scopes: Drainable[]): Mounter {
  return (mount) => {
    const middleware = middlewareOf(mount)
    if (mount[0] === 'requestScope') scopes.push(middleware as unknown as Drainable)
    return middleware
  }
}

function middlewareOf(mount: Mount): MiddlewareHandler {
  switch (mount[0]) {
    case 'sets':
      return async (c, next) => {
        c.header(mount[1], mount[2]())
        await next()
      }
    case 'sets-late':
      return async (c, next) => {
        await next()
        c.header(mount[1], mount[2]())
      }
    case 'twice': {
      const guard = middlewareOf(mount[1])
      return (c, next) =>
        guard(c, async () => {
          const answer = await guard(c, next)
          if (answer) c.res = answer
        })
    }
    case 'authenticates':
      return async (c, next) => {
        if (!c.req.header('authorization')) throw new HTTPException(401)
        await next()
      }
    case 'waits':
      return async (_c, next) => {
        await mount[1]()
        await next()
      }
    case 'traces':
      return (c, next) =>
        trace
          .getTracer('test')
          .startActiveSpan(`${c.req.method} ${c.req.path}`, SERVER, (span) =>
            next().finally(() => span.end()),
          )
    case 'compresses':
      return compress({ threshold: 0 })
    case 'cors':
      return cors({ origin: (origin) => origin || '*' })
    default:
      return guard(mount[0], mount[1] ?? {})
  }
}

function guard(kind: keyof typeof middlewares, given: number | object): MiddlewareHandler {
  const make = middlewares[kind] as (options: unknown) => MiddlewareHandler
  if (typeof given === 'number') return make(given)
  const { onRefused } = given as Refusable
  const options = adapt(given, (c: Context) => asked(c))
  if (!onRefused) return make(options)
  const refused: OnRefused = async (error, c) => {
    const answer = await onRefused(error, asked(c))
    if (answer === 'next') throw error
    return reply(c, answer)
  }
  return make({ ...options, onRefused: refused })
}
