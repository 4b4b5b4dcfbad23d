// The test service as every framework must be able to build it: what is mounted, on which routes, and who answers.

import type { Server } from 'node:http'
import type { Scope } from '../../../src/index.ts'
import type {
  CircuitBreakerGuardOptions,
  Drained,
  DrainOptions,
  HoldfastState,
  IdempotencyGuardOptions,
  LockGuardOptions,
  ProtectOptions,
  RateLimitGuardOptions,
  RequestScopeOptions,
  SemaphoreGuardOptions,
  TimeoutGuardOptions,
} from '../../../src/middleware/engine/index.ts'
import type { Client } from './client.ts'
import type { Reply } from './reply.ts'

/** What callbacks of options are given here, whatever the framework gives them. */
export interface Asked {
  readonly path: string
  header(name: string): string | undefined
}

/** One run of a handler. */
export interface Call extends Asked {
  /** How often the handler has run, this time included. */
  readonly run: number
  /** The request's body, parsed as JSON, or undefined. */
  readonly body: unknown
  /** The request's scope, and its signal. */
  readonly scope: Scope | undefined
  readonly signal: AbortSignal
  /** What the guards hold for this request. */
  readonly holdfast: HoldfastState
  /** Sets a header of the answer that is to come. */
  setHeader(name: string, value: string): void
}

export type Handler = (call: Call) => Reply | Promise<Reply>

/** An own answer to a refusal, or `'next'` to hand the error to the framework's error handling. */
export interface Refusable {
  readonly onRefused?: (error: unknown, asked: Asked) => Reply | 'next' | Promise<Reply | 'next'>
}

/** Something that is mounted in front of a handler: a guard, or a middleware of the application's own. */
export type Mount =
  | readonly ['requestScope', RequestScopeOptions<[Asked]>?]
  | readonly ['idempotency', (IdempotencyGuardOptions<[Asked]> & Refusable)?]
  | readonly ['lock', LockGuardOptions<[Asked]> & Refusable]
  | readonly ['semaphore', SemaphoreGuardOptions<[Asked]> & Refusable]
  | readonly ['rateLimit', RateLimitGuardOptions<[Asked]> & Refusable]
  | readonly ['circuitBreaker', (CircuitBreakerGuardOptions<[Asked]> & Refusable)?]
  | readonly ['timeout', number | (TimeoutGuardOptions<[Asked]> & Refusable)]
  | readonly ['protect', ProtectOptions<[Asked]> & Refusable]
  /** The very same guard twice, as on the application and on a router of it. */
  | readonly ['twice', Mount]
  /** Sets a header of every answer, before what is further in runs. */
  | readonly ['sets', name: string, value: () => string]
  /** Sets a header of every answer just before its head is sent, as session middlewares do. */
  | readonly ['sets-late', name: string, value: () => string]
  /** Answers 401 to requests without an Authorization header. */
  | readonly ['authenticates']
  /** Lets requests on once a promise has resolved, as an authentication does that asks elsewhere. */
  | readonly ['waits', until: () => Promise<unknown>]
  /** Makes the span of the request, as an HTTP instrumentation does, named after method and path. */
  | readonly ['traces']
  /** Compresses every answer. */
  | readonly ['compresses']
  /** Lets every origin read answers, and answers preflight requests itself. */
  | readonly ['cors']

export interface Route {
  /** In front of this route alone. */
  readonly guards?: readonly Mount[]
  readonly handler: Handler
  /** Runs when the handler has answered, where a handler can do anything after that. */
  readonly afterwards?: () => void
}

export interface ServiceSpec {
  /** Express's own `trust proxy` setting. */
  readonly trustProxy?: boolean | string
  /** How request bodies are read where a framework leaves that to the application. @defaultValue `'json'` */
  readonly parser?:
    | 'json'
    | 'json that keeps the bytes'
    | 'raw'
    | 'form'
    | 'form that writes files'
    | 'none'
  /** In front of every route, in this order. */
  readonly use?: readonly Mount[]
  /** By method and path, such as `POST /payments`. */
  readonly routes: Readonly<Record<`${string} /${string}`, Route>>
  /** Below a path, by that path: how a framework mounts one application inside another. */
  readonly below?: Readonly<Record<`/${string}`, ServiceSpec['routes']>>
  /** Told of every error that reaches the framework's error handling, which then answers as it always does. */
  readonly fails?: (error: unknown) => void
}

/** A service that listens. */
export interface Service extends AsyncDisposable {
  readonly port: number
  readonly server: Server
  readonly client: Client
  /** Ends it in order, as a signal would: by the `drain()` of its request scopes. */
  drain(options?: Omit<DrainOptions, 'server'>): Promise<Drained>
  /** How often the handler of a route has run; without one, how often any has. */
  runs(route?: string): number
}

/** A framework that can build the service. */
export interface Framework {
  readonly name: 'express' | 'hono'
  serve(spec: ServiceSpec): Promise<Service>
}
