// The lock guard and the semaphore guard: the handler runs while something is held.

import { onAbort } from '../../core/abort.ts'
import { InvalidArgumentError } from '../../core/errors.ts'
import {
  expectDuration,
  expectFunction,
  expectInteger,
  expectName,
  expectOptions,
  expectTimeout,
} from '../../core/expect.ts'
import type { Guard as Held } from '../../core/guard.ts'
import { Lock } from '../../core/lock.ts'
import { holdingPolicy } from '../../core/policies.ts'
import type { Passage } from '../../core/policy.ts'
import { Semaphore } from '../../core/semaphore.ts'
import type { Exchange } from './exchange.ts'
import {
  expectGuardOptions,
  type Guard,
  type GuardOptions,
  type Inward,
  nameOf,
  type PerRequest,
  providerOf,
  type Verdict,
} from './guard.ts'

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
}

/** Options of `semaphore()`; `A` is what callbacks are given: `(req, res)` or `(c)`. */
export interface SemaphoreGuardOptions<A extends readonly unknown[]> extends HoldingOptions<A> {
  /** How many requests may run at a time, over all processes; or a function that finds it. */
  readonly limit: number | PerRequest<A, number>
  /** What is limited; default: the name. */
  readonly key?: string | PerRequest<A, string> | undefined
}

/** Makes the lock guard. */
export function lockGuard<A extends readonly unknown[]>(options: LockGuardOptions<A>): Guard<A> {
  expectHoldingOptions(expectOptions(options, 'such as `{ key }`'))
  if (typeof options.key !== 'function') expectName('key', options.key)
  return {
    kind: 'lock',
    options,
    async enter(exchange, passage, inward) {
      const lock = new Lock(undefined, {
        provider: providerOf(options, exchange),
        key: await perRequest(options.key, exchange.args),
        name: nameOf(options, exchange),
        ttl: options.ttl,
        maxWaiters: options.maxWaiters,
      })
      const { timeout = 0 } = options
      const acquire = (signal: AbortSignal) => lock.acquire({ timeout, signal })
      return holding(exchange, passage, inward, acquire, (guard) => {
        exchange.state.holdfast.lock = guard
      })
    },
  }
}

/** Makes the semaphore guard. */
export function semaphoreGuard<A extends readonly unknown[]>(
  options: SemaphoreGuardOptions<A>,
): Guard<A> {
  expectHoldingOptions(expectOptions(options, 'such as `{ limit: 20 }`'))
  if (typeof options.limit !== 'function') expectInteger('limit', options.limit)
  if (options.key !== undefined && typeof options.key !== 'function') expectName('key', options.key)
  return {
    kind: 'semaphore',
    options,
    async enter(exchange, passage, inward) {
      const name = nameOf(options, exchange)
      const key = options.key === undefined ? name : await perRequest(options.key, exchange.args)
      if (key === undefined) {
        throw new InvalidArgumentError(
          'Expected `name` in the options of semaphore(): the route is not known where it is mounted',
        )
      }
      const semaphore = new Semaphore(await perRequest(options.limit, exchange.args), {
        provider: providerOf(options, exchange),
        key,
        name,
        ttl: options.ttl,
        maxWaiters: options.maxWaiters,
      })
      const { timeout = 0 } = options
      const acquire = (signal: AbortSignal) => semaphore.acquire({ timeout, signal })
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

async function perRequest<A extends readonly unknown[], T>(
  value: T | PerRequest<A, T>,
  args: A,
): Promise<T> {
  return typeof value === 'function'
    ? await expectFunction('option', value as PerRequest<A, T>)(...args)
    : value
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
  // The release leaves before the answer does; that the store confirms it is nothing a client should wait for.
  const policy = holdingPolicy(acquire, { held, confirmsRelease: false })
  return policy(passage, inward).finally(() => forget?.())
}
