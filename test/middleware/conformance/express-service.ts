// The test service in Express.

import { tmpdir } from 'node:os'
import { createGzip } from 'node:zlib'
import { SpanKind, trace } from '@opentelemetry/api'
import type express from 'express'
import type { ErrorRequestHandler, NextFunction, Request, RequestHandler, Response } from 'express'
import multer from 'multer'
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
} from '../../../src/middleware/express/index.ts'
import { adapt } from './adapt.ts'
import { reply } from './express-reply.ts'
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

/** The service of one version of Express. */
export function expressFramework(load: typeof express): Framework {
  return {
    name: 'express',
    serve: async (spec) => {
      const app = load()
      // Node itself takes header pairs only when no header was set before.
      app.disable('x-powered-by')
      app.set('trust proxy', spec.trustProxy ?? false)
      const runs = new Runs()
      const scopes: Drainable[] = []
      const mounted = mounter(scopes)
      if (spec.parser !== 'none') app.use(parser(load, spec.parser))
      app.use(...(spec.use ?? []).map(mounted), (_req, _res, next) => next())
      mountRoutes(app, spec.routes, '', runs, mounted)
      for (const [base, routes] of Object.entries(spec.below ?? {})) {
        const router = load.Router()
        mountRoutes(router, routes, base, runs, mounted)
        app.use(base, router)
      }
      const failed: ErrorRequestHandler = (error, _req, _res, next) => {
        spec.fails?.(error)
        next(error)
      }
      app.use(failed)
      return listening(app, runs, scopes)
    },
  }
}

function parser(load: typeof express, kind: ServiceSpec['parser']): RequestHandler {
  if (kind === 'raw') return load.raw({ type: '*/*' })
  if (kind === 'form') return multer({ storage: multer.memoryStorage() }).any()
  if (kind === 'form that writes files') return multer({ dest: tmpdir() }).any()
  if (kind !== 'json that keeps the bytes') return load.json()
  return load.json({
    verify: (req, _res, bytes) => {
      ;(req as { rawBody?: Buffer }).rawBody = bytes
    },
  })
}

function mountRoutes(
  app: express.Router,
  routes: ServiceSpec['routes'],
  base: string,
  runs: Runs,
  mounted: Mounter,
): void {
  for (const [name, { guards = [], handler, afterwards }] of Object.entries<Route>(routes)) {
    const [method = '', path = ''] = name.split(' ')
    const counted = `${method} ${base}${path}`
    const handle: RequestHandler = (req, res, next) => {
      const call = {
        ...asked(req),
        run: runs.add(counted),
        body: parsed(req.body),
        scope: req.scope,
        signal: req.scope?.signal ?? new AbortController().signal,
        holdfast: req.holdfast ?? {},
        setHeader: (name: string, value: string) => void res.setHeader(name, value),
      }
      // A handler that answers at once throws at once too.
      const answer = handler(call)
      const answered =
        answer instanceof Promise
          ? answer.then((each) => reply(res, each))
          : reply(res, answer).then(afterwards)
      // Express 4 does not wait for handlers.
      answered.catch(next)
    }
    const verb = method.toLowerCase() as 'post'
    app[verb](path, ...guards.map(mounted), handle)
  }
}

const asked = (req: Request): Asked => ({
  path: req.path,
  header: (name) => req.get(name),
})

function parsed(body: unknown): unknown {
  return body instanceof Uint8Array ? JSON.parse(Buffer.from(body).toString()) : body
}

/** Makes the middleware of a mount. */
type Mounter = (mount: Mount) => RequestHandler

/** Makes middlewares, and notes those that can end the service. */
function mounter(scopes: Drainable[]): Mounter {
  return (mount) => {
    const middleware = middlewareOf(mount)
    if (mount[0] === 'requestScope') scopes.push(middleware as unknown as Drainable)
    return middleware
  }
}

function middlewareOf(mount: Mount): RequestHandler {
  switch (mount[0]) {
    case 'sets':
      return (_req, res, next) => {
        res.setHeader(mount[1], mount[2]())
        next()
      }
    case 'sets-late':
      return (_req, res, next) => {
        const { writeHead } = res
        res.writeHead = function late(this: Response, ...args: unknown[]) {
          res.setHeader(mount[1], mount[2]())
          return writeHead.apply(this, args as [number])
        } as typeof res.writeHead
        next()
      }
    case 'twice': {
      const guard = middlewareOf(mount[1])
      return (req, res, next) =>
        guard(req, res, (error) => (error ? next(error) : guard(req, res, next)))
    }
    case 'authenticates':
      return (req, res, next) => {
        if (req.get('authorization')) next()
        else res.sendStatus(401)
      }
    case 'waits':
      return (_req, _res, next) => void mount[1]().then(() => next(), next)
    case 'traces':
      return (req, res, next) =>
        trace.getTracer('test').startActiveSpan(`${req.method} ${req.path}`, SERVER, (span) => {
          res.once('close', () => span.end())
          next()
        })
    case 'compresses':
      return compress
    case 'cors':
      return cors
    default:
      return guard(mount[0], mount[1] ?? {})
  }
}

/** What `cors` does, in as few lines as show it. */
function cors(req: Request, res: Response, next: NextFunction): void {
  res.setHeader('Access-Control-Allow-Origin', req.get('origin') ?? '*')
  res.vary('Origin')
  if (req.method === 'OPTIONS') res.sendStatus(204)
  else next()
}

function guard(kind: keyof typeof middlewares, given: number | object): RequestHandler {
  const make = middlewares[kind] as (options: unknown) => RequestHandler
  if (typeof given === 'number') return make(given)
  const { onRefused } = given as Refusable
  const options = adapt(given, (req: Request) => asked(req))
  if (!onRefused) return make(options)
  const refused: OnRefused = async (error, req, res, next) => {
    const answer = await onRefused(error, asked(req))
    if (answer === 'next') next(error)
    else await reply(res, answer)
  }
  return make({ ...options, onRefused: refused })
}

/** What `compression` does, in as few lines as show it. */
function compress(_req: Request, res: Response, next: NextFunction): void {
  const gzip = createGzip()
  const write = res.write.bind(res)
  const end = res.end.bind(res)
  const writeHead = res.writeHead.bind(res)
  gzip.on('data', (chunk) => write(chunk))
  gzip.on('end', () => end())
  res.writeHead = ((...args: unknown[]) => {
    res.removeHeader('content-length')
    res.setHeader('content-encoding', 'gzip')
    return writeHead(...(args as [number]))
  }) as typeof res.writeHead
  res.write = ((chunk: Buffer) => gzip.write(chunk)) as typeof res.write
  res.end = ((...args: unknown[]) => {
    const [chunk] = args
    gzip.end(chunk instanceof Uint8Array || typeof chunk === 'string' ? chunk : undefined)
    return res
  }) as typeof res.end
  next()
}
