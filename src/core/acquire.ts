// Getting a share of a resource: one try, or a fair wait that is called when its turn comes.
import { attemptId } from './attempt-id.ts'
import { now } from './clock.ts'
import { AcquireTimeoutError, QueueFullError, StoreUnavailableError } from './errors.ts'
import type { AcquireWatch, GrantTelling } from './grant-telling.ts'
import { validUntil } from './lease.ts'
import { type Limits, Patience } from './patience.ts'
import type { Adapter, GrantReply, GrantRequest } from './ports.ts'
import { sleep } from './sleep.ts'
import { callStore, deadlineFor, mayPass } from './store-call.ts'
import { hadNoEffect, type Taken, undo } from './undo.ts'
import { type Call, type Waiter, WaitingRoom } from './waiting-room.ts'

/** The primitives that hold grants; the names of one never meet those of another. */
export type GrantKind = 'lock' | 'semaphore' | 'checkpoint' | 'leader'

/** What holding a grant needs of a store. */
export type GrantProvider = Pick<
  Adapter,
  'grants' | 'signals' | 'transactions' | 'deadline' | 'onEvent'
>

/** What is wanted. */
export interface Wanted {
  readonly adapter: GrantProvider
  readonly kind: GrantKind
  readonly key: string
  readonly telling: GrantTelling
  readonly weight: number
  readonly capacity: number
  /** Whether the grant has a fencing token of its own. */
  readonly exclusive: boolean
  readonly ttl: number
  readonly owner?: string | undefined
  readonly maxWaiters: number
  /** A sentence to end the message of a timeout with, when there is something to say. */
  readonly advice?: (() => string | undefined) | undefined
}

/** What was granted. */
export interface Granted {
  readonly id: string
  readonly token: number
  /** Monotonic time just before the granting request was sent. */
  readonly sentAt: number
}

/** The store's name of what a primitive of some kind protects. */
export function resourceOf({ kind, key }: Pick<Wanted, 'kind' | 'key'>): string {
  return `${kind}:${key}`
}

/**
 * Acquires a share, or undefined when it is busy and `timeout` is 0.
 *
 * @throws {@link AcquireTimeoutError} | {@link AbortedError} | {@link StoreUnavailableError} | {@link QueueFullError}
 */
export function acquire(wanted: Wanted, limits: Limits): Promise<Granted | undefined> {
  return wanted.telling.acquire(limits, async (watch) => {
    const granted = await new Acquisition(wanted, limits, watch).run()
    if (!granted) watch.note({ outcome: 'contended' })
    return granted
  })
}

/** Milliseconds before a waiter whose claim has failed claims again. */
const CLAIM_RETRY = 250

/** One caller's way from the first request to a grant or the end. */
class Acquisition {
  readonly #wanted: Wanted
  readonly #limits: Limits
  readonly #watch: AcquireWatch
  readonly #room: WaitingRoom
  readonly #resource: string
  #id: string = attemptId()
  #asked = 0
  #sentAt = 0
  #answered = false
  /** Why the last call has failed; undefined when it was answered. */
  #failure: unknown
  #arrival: number | undefined
  #pending: Promise<unknown> | undefined

  constructor(wanted: Wanted, limits: Limits, watch: AcquireWatch) {
    this.#wanted = wanted
    this.#limits = limits
    this.#watch = watch
    this.#room = WaitingRoom.of(wanted.adapter)
    this.#resource = resourceOf(wanted)
  }

  async run(): Promise<Granted | undefined> {
    const patience = new Patience(this.#limits, this.#wanted.key, () => this.#timedOut())
    let waiter: Waiter | undefined
    try {
      const waits = this.#limits.timeout !== 0
      let reply: GrantReply
      if (waits && this.#room.isOpen) {
        waiter = this.#enter()
        reply = await this.#ask(patience, waiter)
      } else {
        reply = await this.#ask(patience, undefined)
        if (reply.state !== 'granted' && waits) {
          await patience.within(this.#room.open())
          waiter = this.#enter()
          reply = await this.#ask(patience, waiter)
        }
      }
      if (reply.state === 'granted') return this.#granted(reply.token)
      if (!waiter) return undefined
      return await this.#wait(patience, waiter, reply)
    } catch (error) {
      if (this.#asked > 0) void undo(this.#taken(), this.#settled())
      throw error
    } finally {
      patience.end()
      if (waiter) this.#room.leave(waiter)
    }
  }

  #enter(): Waiter {
    this.#expectRoom()
    return this.#room.enter(this.#id, this.#resource, this.#wanted.key, this.#outlasts)
  }

  /** Whether it waits on while the store is away: its caller has said for how long. */
  get #outlasts(): boolean {
    return this.#limits.timeout !== undefined
  }

  #expectRoom(): void {
    const { maxWaiters, key } = this.#wanted
    if (this.#room.waiting(this.#resource) < maxWaiters) return
    throw new QueueFullError(
      `${maxWaiters} callers of this process wait for '${key}' already (\`maxWaiters\`)`,
      { key },
    )
  }

  async #ask(patience: Patience, waiter: Waiter | undefined): Promise<GrantReply> {
    const { adapter, weight, capacity, exclusive, ttl, owner } = this.#wanted
    const request: GrantRequest = {
      resource: this.#resource,
      id: this.#id,
      weight,
      capacity,
      exclusive,
      ttl,
      wait: waiter !== undefined,
      inbox: this.#room.inbox,
      arrival: this.#arrival,
      meta: { traceparent: this.#watch.traceparent, owner },
    }
    const reply = await this.#call(patience, () => adapter.grants.acquire(request))
    if (reply.state === 'queued') this.#arrival ??= reply.arrival
    return reply
  }

  async #call<T>(patience: Patience, request: () => Promise<T>): Promise<T> {
    const { adapter, key, ttl } = this.#wanted
    this.#asked++
    this.#sentAt = now()
    const { answer, underlying } = callStore(key, deadlineFor(adapter, ttl), request)
    this.#pending = underlying
    const reply = await patience.within(answer)
    this.#answered = true
    this.#failure = undefined
    return reply
  }

  #granted(token: number): Granted {
    const { key, ttl } = this.#wanted
    if (now() >= validUntil(this.#sentAt, ttl)) {
      throw new AcquireTimeoutError(
        `'${key}' was granted, but the answer took longer than its ttl of ${ttl} ms`,
        { key },
      )
    }
    this.#watch.note({ attempts: this.#asked, contended: this.#arrival !== undefined })
    return { id: this.#id, token, sentAt: this.#sentAt }
  }

  async #wait(
    patience: Patience,
    waiter: Waiter,
    queued: Exclude<GrantReply, { state: 'granted' }>,
  ): Promise<Granted> {
    // Many may have entered at once, before any of them was queued.
    this.#expectRoom()
    const place = { waiters: queued.waiters, position: queued.waiters }
    return this.#wanted.telling.wait(place, async (watch) => {
      watch.link(queued.holder?.traceparent)
      this.#watch.link(queued.holder?.traceparent)
      this.#room.queue(waiter, queued.hint)
      for (;;) {
        const call = await patience.within(waiter.called())
        const token = await this.#claim(patience, waiter, call)
        if (token === undefined) continue
        watch.note({ wakeup: call })
        return this.#granted(token)
      }
    })
  }

  /** Claims one's turn, again and again while the store is away; undefined when one is not next any more. */
  async #claim(patience: Patience, waiter: Waiter, call: Call): Promise<number | undefined> {
    const { adapter, ttl } = this.#wanted
    const renew = () => adapter.grants.renew(this.#resource, this.#id, ttl)
    for (let asks = call === 'unknown'; ; asks = false) {
      try {
        if (!asks) {
          const token = await this.#call(patience, renew)
          if (token !== undefined) return token
        }
        // The store has forgotten us, or we came too late: ask again, at the place that we had.
        asks = true
        const reply = await this.#ask(patience, waiter)
        return reply.state === 'granted' ? reply.token : undefined
      } catch (error) {
        if (!this.#outlasts || !mayPass(error)) throw error
        this.#failure = error
        await sleep(CLAIM_RETRY, patience)
        if (asks) this.#startAnew(waiter)
      }
    }
  }

  /** Goes on under another id: a request that has failed may still arrive, and what it takes must not outlive us. */
  #startAnew(waiter: Waiter): void {
    void undo(this.#taken(), this.#settled())
    this.#id = attemptId()
    this.#room.rename(waiter, this.#id)
  }

  #timedOut(): Error {
    const { key, advice } = this.#wanted
    const { timeout } = this.#limits
    const trouble = this.#failure ?? this.#room.trouble(this.#resource)
    if (trouble || !this.#answered) {
      return new StoreUnavailableError(
        `The store did not answer within the \`timeout\` of ${timeout} ms about '${key}'`,
        { key, outcome: 'unknown', cause: trouble },
      )
    }
    const more = advice?.()
    return new AcquireTimeoutError(
      `Could not acquire '${key}' within ${timeout} ms${more ? `: ${more}` : ''}`,
      { key },
    )
  }

  /** The end of the last call; one without effect changes nothing for an attempt that is in the queue already. */
  async #settled(): Promise<void> {
    try {
      await this.#pending
    } catch (error) {
      if (this.#arrival === undefined || !hadNoEffect(error)) throw error
    }
  }

  #taken(): Taken {
    const { adapter, key, ttl } = this.#wanted
    const id = this.#id
    return {
      key,
      giveBack: () => adapter.grants.release(this.#resource, id),
      deadline: deadlineFor(adapter, ttl),
      lasts: ttl,
      onEvent: adapter.onEvent,
    }
  }
}
