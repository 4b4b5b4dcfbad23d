// A guard: what stands between a request and its handler, and what all guards have in common.
import { defaultAdapter } from '../../core/default-adapter.ts'
import { InvalidArgumentError } from '../../core/errors.ts'
import { emit } from '../../core/events.ts'
import {
  expectAdapter,
  expectBoolean,
  expectFunction,
  expectName,
  expectOneOf,
} from '../../core/expect.ts'
import type { Passage } from '../../core/policy.ts'
import type { Adapter, EventListener } from '../../core/ports.ts'
import type { Answer, End } from './answer.ts'
import type { Exchange } from './exchange.ts'
import type { Problem } from './problem.ts'

/** The guards that there are. */
export type GuardKind =
  | 'scope'
  | 'idempotency'
  | 'timeout'
  | 'rate_limiter'
  | 'circuit_breaker'
  | 'lock'
  | 'semaphore'

/** What becomes of a request. */
export type Verdict =
  /** The handler ran; its answer goes out. */
  | { readonly kind: 'proceed'; readonly end: End }
  /** An earlier answer goes out; the handler does not run. */
  | {
      readonly kind: 'replay'
      readonly answer: Answer
      readonly original: string | undefined
    }
  /** A guard's own answer goes out. */
  | {
      readonly kind: 'refuse'
      readonly error: unknown
      readonly guard: GuardKind
      readonly answer: Answer
    }
  /** Something of the application's own failed: the framework's error handling answers. */
  | { readonly kind: 'fail'; readonly error: unknown }

/** Runs what is further in; `as` is the guard's outcome in telemetry, where passing is not all that it did. Never rejects. */
export type Inward = (passage: Passage, as?: string) => Promise<Verdict>

/** A guard of a route: calls `inward` at most once, or throws to refuse. */
export interface Guard<A extends readonly unknown[]> {
  readonly kind: GuardKind
  readonly options: GuardOptions<A>
  /** Whether it has something to do when the handler has ended, for which the answer's last byte waits. */
  readonly concludes: boolean
  /** More header fields of its refusals. */
  readonly refusalHeaders?: Answer['headers'] | undefined
  enter(exchange: Exchange<A>, passage: Passage, inward: Inward): Promise<Verdict>
  /** How an error is answered, where that is special to this guard. */
  problemFor?(error: unknown, exchange: Exchange<A>): Problem | undefined
}

/** A value, or a function that finds it for a request. */
export type PerRequest<A extends readonly unknown[], T> = (...args: A) => T | Promise<T>

/** What every guard can be told; `A` is what callbacks are given: `(req, res)` or `(c)`. */
export interface GuardOptions<A extends readonly unknown[]> {
  /** The store; default: the request scope's, else the memory of this process. */
  readonly provider?: Adapter | undefined
  /** The low-cardinality name in spans and metrics; default: method and route. */
  readonly name?: string | undefined
  /**
   * Whether the guard does anything.
   *
   * @defaultValue true
   */
  readonly enabled?: boolean | undefined
  /** Lets a request pass without being guarded. */
  readonly skip?: PerRequest<A, boolean> | undefined
  /**
   * What happens when the store does not answer: the request is refused; or it passes unguarded, or guarded within this
   * process alone, with an event.
   *
   * @defaultValue `'deny'`; for rate limits `'allow'`
   */
  readonly onStoreError?: 'deny' | 'allow' | 'local' | undefined
  /** Told of what happens behind the request: a guard that let it pass, a lost record. */
  readonly onEvent?: EventListener | undefined
  /**
   * What the types of problems start with.
   *
   * @defaultValue `'https://holdfast.dev/problems/'`
   */
  readonly problemBase?: string | undefined
}

/** Checks what every guard can be told. */
export function expectGuardOptions<A extends readonly unknown[]>(options: GuardOptions<A>): void {
  const { provider, name, enabled, skip, onStoreError, onEvent, problemBase } = options
  expectAdapter('provider', provider)
  if (name !== undefined) expectName('name', name)
  expectBoolean('enabled', enabled, true)
  if (skip !== undefined) expectFunction('skip', skip)
  if (onStoreError !== undefined) {
    expectOneOf<'deny' | 'allow' | 'local'>('onStoreError', onStoreError, [
      'deny',
      'allow',
      'local',
    ])
  }
  if (onEvent !== undefined) expectFunction('onEvent', onEvent)
  if (problemBase !== undefined) expectName('problemBase', problemBase)
}

/** An own answer to refusals: a function, or undefined. */
export function expectOnRefused(onRefused: unknown): void {
  if (onRefused !== undefined) expectFunction('onRefused', onRefused)
}

/** The store of a guard: its own, the request scope's, or the memory of this process with a warning. */
export function providerOf<A extends readonly unknown[]>(
  options: GuardOptions<A>,
  { state }: Exchange<A>,
): Adapter {
  if (state.local.has(options)) return defaultAdapter()
  const { provider, onEvent } = options
  const given = provider ?? state.scope?.provider
  if (given) return given
  warnOnce(
    'holdfast.store.memory_only',
    'holdfast has no provider: its memory store protects this process only',
    onEvent,
  )
  return defaultAdapter()
}

const warned = new Set<string>()

/** Tells of something once in a process: as an event, and in one line of the log. */
export function warnOnce(
  name: 'holdfast.store.memory_only' | 'holdfast.guard.warning',
  message: string,
  onEvent: EventListener | undefined,
): void {
  if (warned.has(message)) return
  warned.add(message)
  emit(onEvent, { name, message })
  const { process } = globalThis as {
    process?: { emitWarning?: (text: string, kind: string) => void }
  }
  if (process?.emitWarning) process.emitWarning(message, 'HoldfastWarning')
  else console.warn(`HoldfastWarning: ${message}`)
}

/** The name of a guard's primitive: given, or method and route; undefined where the framework does not know the route. */
export function nameOf<A extends readonly unknown[]>(
  { name }: GuardOptions<A>,
  { method, route }: Exchange<A>,
): string | undefined {
  return name ?? (route === undefined ? undefined : `${method} ${route}`)
}

/** The name of a guard's primitive, for a guard that cannot do without; `guard` is who asks. */
export function requiredName<A extends readonly unknown[]>(
  guard: string,
  options: GuardOptions<A>,
  exchange: Exchange<A>,
): string {
  const name = nameOf(options, exchange)
  if (name !== undefined) return name
  throw new InvalidArgumentError(
    `Expected \`name\` in the options of ${guard}: the route is not known where it is mounted`,
  )
}

/** What a guard's policy is called in headers. */
export function policyNameOf<A extends readonly unknown[]>(
  options: GuardOptions<A>,
  exchange: Exchange<A>,
): string {
  // A given name was checked; that of a route may hold what a header cannot.
  return (nameOf(options, exchange) ?? 'default').replace(/[^\x20-\x7e]/g, '?')
}

/** A value of an option, or what a function finds for the request. */
export async function perRequest<A extends readonly unknown[], T>(
  value: T | PerRequest<A, T>,
  args: A,
): Promise<T> {
  return typeof value === 'function' ? await (value as PerRequest<A, T>)(...args) : value
}
