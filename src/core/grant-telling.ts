// How the getting and holding of a share is told: each primitive has operations, metrics and events of its own.
import { level, observe, sample, type Watch } from '../telemetry/index.ts'
import { now } from './clock.ts'
import type { HoldfastEvent } from './events.ts'
import type { Limits } from './patience.ts'

/** What acquiring a share may tell. */
export type AcquireWatch = Pick<Watch<never>, 'link' | 'traceparent'> & {
  note(facts: { readonly outcome?: string; contended?: boolean; attempts?: number }): void
}

/** What waiting for a share may tell. */
export type WaitWatch = Pick<Watch<never>, 'link'> & {
  note(facts: { readonly wakeup?: string }): void
}

/** Where a waiter stands in the queue. */
export interface Place {
  readonly position: number
  readonly waiters: number
}

/** What a grant is told of, and how. */
export interface GrantTelling {
  /** What is held, in messages: `lock`. */
  readonly noun: string
  /** The event that tells of a loss. */
  readonly lost: HoldfastEvent['name']
  /** Acquires a share, as an operation. */
  acquire<G extends { readonly token: number } | undefined>(
    limits: Limits,
    work: (watch: AcquireWatch) => Promise<G>,
  ): Promise<G>
  /** Waits in the queue, as a part of acquiring. */
  wait<T>(place: Place, work: (watch: WaitWatch) => Promise<T>): Promise<T>
  /** Renews a grant in the background. */
  renew<T>(work: () => Promise<T>): Promise<T>
  /** A share is held from now on, until the function returned is told why it is not any more. */
  hold(): (reason: string) => void
}

/** How a lock is held. */
export type LockMode = 'exclusive' | 'read' | 'write'

/** Locks. */
export class LockTelling implements GrantTelling {
  readonly noun = 'lock'
  readonly lost = 'holdfast.lock.lost'
  readonly #labels: { readonly name: string; readonly mode: LockMode }
  readonly #ttl: number
  readonly #owner: string | undefined

  constructor(name: string, mode: LockMode, ttl: number, owner: string | undefined) {
    this.#labels = { name, mode }
    this.#ttl = ttl
    this.#owner = owner
  }

  acquire<G extends { readonly token: number } | undefined>(
    limits: Limits,
    work: (watch: AcquireWatch) => Promise<G>,
  ): Promise<G> {
    const owner = this.#owner === undefined ? {} : { owner: this.#owner }
    const facts = { ...this.#labels, ...owner, ...patienceOf(limits, this.#ttl) }
    return observe('lock.acquire', facts, async (watch) => {
      const granted = await work(watch)
      if (granted) watch.note({ fencingToken: String(granted.token) })
      return granted
    })
  }

  async wait<T>(place: Place, work: (watch: WaitWatch) => Promise<T>): Promise<T> {
    level('lock.acquire.pending', this.#labels, 1)
    try {
      return await observe('lock.wait', { ...this.#labels, ...place }, work)
    } finally {
      level('lock.acquire.pending', this.#labels, -1)
    }
  }

  renew<T>(work: () => Promise<T>): Promise<T> {
    return observe('lock.renew', { name: this.#labels.name }, work)
  }

  /** Fences a transaction of the holder's. */
  fence<T>(token: number, work: () => Promise<T>): Promise<T> {
    return observe('lock.fence', { ...this.#labels, fencingToken: String(token) }, work)
  }

  hold(): (reason: string) => void {
    const since = now()
    level('lock.hold.active', this.#labels, 1)
    return (reason) => {
      level('lock.hold.active', this.#labels, -1)
      sample('lock.hold.duration', { ...this.#labels, reason }, secondsSince(since))
    }
  }
}

/** Permits. */
export class SemaphoreTelling implements GrantTelling {
  readonly noun = 'semaphore'
  readonly lost = 'holdfast.semaphore.lost'
  readonly #name: string
  readonly #permits: number
  readonly #ttl: number

  constructor(name: string, permits: number, ttl: number) {
    this.#name = name
    this.#permits = permits
    this.#ttl = ttl
  }

  acquire<G extends { readonly token: number } | undefined>(
    limits: Limits,
    work: (watch: AcquireWatch) => Promise<G>,
  ): Promise<G> {
    const facts = { name: this.#name, permits: this.#permits, ...patienceOf(limits, this.#ttl) }
    return observe('semaphore.acquire', facts, work)
  }

  async wait<T>(place: Place, work: (watch: WaitWatch) => Promise<T>): Promise<T> {
    level('semaphore.acquire.pending', { name: this.#name }, 1)
    try {
      return await observe('semaphore.wait', { name: this.#name, ...place }, work)
    } finally {
      level('semaphore.acquire.pending', { name: this.#name }, -1)
    }
  }

  renew<T>(work: () => Promise<T>): Promise<T> {
    return work()
  }

  hold(): (reason: string) => void {
    const since = now()
    level('semaphore.permit.usage', { name: this.#name }, this.#permits)
    return (reason) => {
      level('semaphore.permit.usage', { name: this.#name }, -this.#permits)
      sample('semaphore.hold.duration', { name: this.#name, reason }, secondsSince(since))
    }
  }
}

/** What is acquired as a part of a larger operation, which tells of it. */
export class PartTelling implements GrantTelling {
  readonly noun: string
  readonly lost: HoldfastEvent['name']
  readonly #watch: AcquireWatch & WaitWatch

  constructor(noun: string, lost: HoldfastEvent['name'], watch: AcquireWatch & WaitWatch) {
    this.noun = noun
    this.lost = lost
    this.#watch = watch
  }

  acquire<G>(_limits: Limits, work: (watch: AcquireWatch) => Promise<G>): Promise<G> {
    return work(this.#watch)
  }

  wait<T>(_place: Place, work: (watch: WaitWatch) => Promise<T>): Promise<T> {
    return work(this.#watch)
  }

  renew<T>(work: () => Promise<T>): Promise<T> {
    return work()
  }

  hold(): (reason: string) => void {
    return () => {}
  }
}

function patienceOf({ timeout }: Limits, ttl: number): { ttl: number; timeout?: number } {
  return { ttl: ttl / 1000, ...(timeout === undefined ? {} : { timeout: timeout / 1000 }) }
}

function secondsSince(since: number): number {
  return (now() - since) / 1000
}
