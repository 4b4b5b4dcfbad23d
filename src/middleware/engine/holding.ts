// The lock guard and the semaphore guard: the handler runs while something is held.

import { onAbort } from '../../core/abort.ts'
import { isAcquireTimeoutError } from '../../core/error-guards.ts'
import {
  expectBoolean,
  expectDuration,
  expectInteger,
  expectName,
  expectOneOf,
  expectOptions,
  expectTimeout,
  refuse,
} from '../../core/expect.ts'
import type { Guard as Held } from '../../core/guard.ts'
import { Lock } from '../../core/lock.ts'
import { holdingPolicy } from '../../core/policies.ts'
import type { Passage } from '../../core/policy.ts'
import { Semaphore } from '../../core/semaphore.ts'
import { type ClientOptions, clientNamer } from './client-address.ts'
import type { Exchange } from './exchange.ts'
import {
  expectGuardOptions,
  type Guard,
  type GuardOptions,
  type Inward,
  nameOf,
  type PerRequest,
  perRequest,
  policyNameOf,
  providerOf,
  requiredName,
  type Verdict,
} from './guard.ts'
import { lockBusy, lockedResource, quotaExceeded } from './problem.ts'
import { announceLeft, announcePolicies, policyField } from './rate-limit-fields.ts'
import { expectPrintable } from './structured-field.ts'

/** What the lock guard and the semaphore guard share. */
interface HoldingOptions<A extends readonly unknown[]> extends GuardOptions<A> {
  /**
   * Milliseconds to wait; 0 tries once.
   *
   * @defaultValue 0
   */
  readonly timeout?: number | undefined
  /**
   * Milliseconds after which a holder whose process died is replaced.
   *
   * @defaultValue 30_000
   */
  readonly ttl?: number | undefined
  /**
   * How many requests of this process may wait for a key.
   *
   * @defaultValue 10_000
   */
  readonly maxWaiters?: number | undefined
}

/** Options of `lock()`; `A` is what callbacks are given: `(req, res)` or `(c)`. */
export interface LockGuardOptions<A extends readonly unknown[]> extends HoldingOptions<A> {
  /** What is locked while the handler runs. */
  readonly key: string | PerRequest<A, string>
  /**
   * `read-write` lets requests with safe methods (GET, HEAD, OPTIONS, TRACE) in together, and every other one alone. All
   * guards of one key should have the same mode.
   *
   * @defaultValue `'exclusive'`
   */
  readonly mode?: 'exclusive' | 'read-write' | undefined
  /**
   * The status of an answer to a request that cannot have the lock.
   *
   * @defaultValue 409
   */
  readonly status?: 409 | 423 | undefined
}

/** Options of `semaphore()`; `A` is what callbacks are given: `(req, res)` or `(c)`. */
export interface SemaphoreGuardOptions<A extends readonly unknown[]>
  extends HoldingOptions<A>,
    ClientOptions {
  /** How many requests may run at a time, over all processes; or a function that finds it. */
  readonly limit: number | PerRequest<A, number>
  /** What is limited; default: the name, or with `perClient` the address of the client. */
  readonly key?: string | PerRequest<A, string> | undefined
  /**
   * Whether `limit` is each client's own: a request beyond it is answered 429, because it is its client who has too many,
   * and not 503.
   *
   * @defaultValue false
   */
  readonly perClient?: boolean | undefined
  /**
   * Whether answers say what the limit is, in `RateLimit-Policy`.
   *
   * @defaultValue the value of `perClient`
   */
  readonly headers?: boolean | undefined
}

/** Makes the lock guard. */
export function lockGuard<A extends readonly unknown[]>(options: LockGuardOptions<A>): Guard<A> {
  expectHoldingOptions(expectOptions(options, 'such as `{ key }`'))
  if (typeof options.key !== 'function') expectName('key', options.key)
  const { status = 409, mode = 'exclusive' } = options
  if (status !== 409 && status !== 423) refuse('status', '409 or 423', status)
  const shared = expectOneOf('mode', mode, ['exclusive', 'read-write']) === 'read-write'
  const busy = status === 423 ? lockedResource : lockBusy
  return {
    kind: 'lock',
    options,
    concludes: true,
    problemFor: (error) => (isAcquireTimeoutError(error) ? busy : undefined),
    async enter(exchange, passage, inward) {
      const lock = new Lock(undefined, {
        provider: providerOf(options, exchange),
        key: await perRequest(options.key, exchange.args),
        name: nameOf(options, exchange),
        ttl: options.ttl,
        maxWaiters: options.maxWaiters,
        allowMultipleReaders: shared,
      })
      const { timeout = 0 } = options
      const reads = shared && SAFE.has(exchange.method)
      const acquire = (signal: AbortSignal) =>
        reads ? lock.read({ timeout, signal }) : lock.acquire({ timeout, signal })
      return holding(exchange, passage, inward, acquire, (guard) => {
        exchange.state.holdfast.lock = guard
      })
    },
  }
}

/** Methods that only read (RFC 9110 §9.2.1). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** Makes the semaphore guard. */
export function semaphoreGuard<A extends readonly unknown[]>(
  options: SemaphoreGuardOptions<A>,
): Guard<A> {
  expectHoldingOptions(expectOptions(options, 'such as `{ limit: 20 }`'))
  if (typeof options.limit !== 'function') expectInteger('limit', options.limit)
  if (options.key !== undefined && typeof options.key !== 'function') expectName('key', options.key)
  const perClient = expectBoolean('perClient', options.perClient, false)
  const announces = expectBoolean('headers', options.headers, perClient)
  if (announces && options.name !== undefined) expectPrintable('name', options.name)
  const nameClient = clientNamer('semaphore()', options)
  return {
    kind: 'semaphore',
    options,
    concludes: true,
    problemFor: (error, exchange) =>
      perClient && isAcquireTimeoutError(error)
        ? { ...quotaExceeded, violated: [policyNameOf(options, exchange)] }
        : undefined,
    async enter(exchange, passage, inward) {
      const ownKey = (): string => {
        const name = requiredName('semaphore()', options, exchange)
        return perClient ? `${name.length}:${name}:${nameClient(exchange)}` : name
      }
      const key =
        options.key === undefined ? ownKey() : await perRequest(options.key, exchange.args)
      const limit = await perRequest(options.limit, exchange.args)
      const semaphore = new Semaphore(limit, {
        provider: providerOf(options, exchange),
        key,
        name: nameOf(options, exchange),
        ttl: options.ttl,
        maxWaiters: options.maxWaiters,
      })
      const policy = policyNameOf(options, exchange)
      if (announces) {
        announcePolicies(
          exchange,
          policyField([{ name: policy, quota: limit, unit: 'concurrent-requests' }]),
        )
      }
      const { timeout = 0 } = options
      const acquire = async (signal: AbortSignal) => {
        try {
          return await semaphore.acquire({ timeout, signal })
        } catch (error) {
          // How many are left is known when there are none.
          if (announces && isAcquireTimeoutError(error)) {
            announceLeft(exchange, [{ name: policy, remaining: 0 }])
          }
          throw error
        }
      }
      return holding(exchange, passage, inward, acquire, (permit) => {
        exchange.state.holdfast.semaphore = permit
      })
    },
  }
}

function expectHoldingOptions<A extends readonly unknown[]>(options: HoldingOptions<A>): void {
  expectGuardOptions(options)
  expectTimeout('timeout', options.timeout)
  if (options.ttl !== undefined) expectDuration('ttl', options.ttl)
  if (options.maxWaiters !== undefined) expectInteger('maxWaiters', options.maxWaiters)
}

/** Holds something until the handler has ended, never merely until the client has gone. */
function holding<A extends readonly unknown[], G extends Held>(
  exchange: Exchange<A>,
  passage: Passage,
  inward: Inward,
  acquire: (signal: AbortSignal) => Promise<G>,
  tell: (guard: G) => void,
): Promise<Verdict> {
  let forget: (() => void) | undefined
  const held = (guard: G): void => {
    tell(guard)
    exchange.onAbandoned(() => guard.stopRenewal())
    forget = onAbort(guard.signal, () => passage.interrupt(guard.signal.reason))
  }
  // Whoever has the answer finds free what its request held, by whichever connection or process it asks next.
  const policy = holdingPolicy(acquire, held)
  return policy(passage, inward).finally(() => forget?.())
}
