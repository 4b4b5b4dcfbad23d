// The client's side of anything held for a time: validity, renewal, loss.
import { quietly } from '../telemetry/index.ts'
import { after, now, type Timer } from './clock.ts'
import { LeaseLostError } from './errors.ts'

/** Why a lease is no longer held. */
export type LossReason = 'expired' | 'lost' | 'max-hold'

/** A belief that is kept more strictly than the store would have it. */
export interface Pace {
  /** Milliseconds that it lasts after the last renewal was sent; less than the ttl. */
  readonly believeFor: number
  /** Milliseconds from one renewal to the next. */
  readonly renewEvery: number
}

/** What is leased, and how it is renewed. */
export interface LeaseTerms {
  /** What the lease is about, for messages: `lock 'orders:42'`. */
  readonly subject: string
  readonly key: string
  /** Milliseconds that a grant or renewal lasts by the store's clock. */
  readonly ttl: number
  /** Monotonic time just before the request was sent that the store granted. */
  readonly sentAt: number
  /** Whether to renew in the background, by default at a third of the ttl. */
  readonly autoExtend: boolean
  /** Milliseconds after which renewal stops and the lease counts as lost. */
  readonly maxHold?: number | undefined
  /** How it is kept when that differs from what the ttl gives. */
  readonly pace?: Pace | undefined
  /** Asks the store for `ttl` more milliseconds; false when it no longer knows the grant. */
  renew(ttl: number): Promise<boolean>
  /** Told once, when the lease ends without having been released. */
  lost(error: LeaseLostError): void
}

const RETRY_LEAST = 50
const RETRY_SPREAD = 150

/** Until when a grant may be believed: counted from before it was asked for, less a margin for clock drift. */
export function validUntil(sentAt: number, ttl: number): number {
  return sentAt + ttl - Math.max(ttl / 100, 5)
}

/**
 * A belief, kept by the monotonic clock, that something is held.
 *
 * The belief is computed at each question and not set by a timer, so that a stalled event loop cannot prolong it;
 * once false it never becomes true again.
 */
export class Lease {
  readonly #terms: LeaseTerms
  readonly #endsAt: number
  #ttl: number
  #validUntil: number
  #renewAt: number
  #renews: boolean
  /** The renewal or extension on its way; never rejects. */
  #renewing: Promise<void> | undefined
  #over = false
  #lost: { readonly reason: LossReason; readonly error: LeaseLostError } | undefined
  #controller: AbortController | undefined
  #timer: Timer | undefined

  constructor(terms: LeaseTerms) {
    this.#terms = terms
    this.#ttl = terms.ttl
    this.#renews = terms.autoExtend
    this.#endsAt = terms.maxHold === undefined ? Number.POSITIVE_INFINITY : now() + terms.maxHold
    this.#validUntil = this.#endOf(terms.sentAt, terms.ttl)
    this.#renewAt = terms.sentAt + this.#intervalOf(terms.ttl)
    this.#arm()
  }

  /** Aborts with a {@link LeaseLostError} when the lease is lost; never when it is released. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    this.#look()
    if (this.#lost && !this.#controller.signal.aborted) this.#controller.abort(this.#lost.error)
    return this.#controller.signal
  }

  /** Whether the lease may be believed right now. */
  get held(): boolean {
    this.#look()
    return !this.#over && this.#lost === undefined
  }

  /** Why the lease is lost; undefined while it is held and after it was released in time. */
  get lossReason(): LossReason | undefined {
    this.#look()
    return this.#lost?.reason
  }

  /** Throws unless the lease is held. */
  assertHeld(): void {
    this.#look()
    if (this.#lost) throw this.#lost.error
    if (this.#over) {
      throw new LeaseLostError(`The ${this.#terms.subject} was released already`, {
        key: this.#terms.key,
      })
    }
  }

  /** Milliseconds that the lease may still be believed without a renewal; 0 when it is not held. */
  remaining(): number {
    return this.held ? Math.max(0, Math.floor(this.#heldUntil - now())) : 0
  }

  /** Renews now, for `ttl` milliseconds from now and at every later renewal; less than before counts even if that fails. */
  async extend(ttl: number): Promise<void> {
    this.assertHeld()
    // One at a time: a store may carry out two that are on their way in the other order.
    while (this.#renewing) await this.#renewing
    this.assertHeld()
    if (ttl < this.#ttl) this.#shorten(ttl)
    await this.#renew(ttl)
    this.assertHeld()
  }

  /** Stops renewing: the lease is lost when its time is over. */
  stopRenewal(): void {
    this.#renews = false
    this.#arm()
  }

  /** Ends the belief because it is given up, before the store is told; a renewal in flight cannot revive it. */
  end(): void {
    this.#look()
    this.#over = true
    this.#timer?.stop()
  }

  /** Ends the belief and aborts the signal, because whoever the lease was for has ended. */
  close(reason: unknown): void {
    this.end()
    this.#controller ??= new AbortController()
    this.#controller.abort(reason)
  }

  get #heldUntil(): number {
    // A lease that is renewed steps down a tenth of its ttl early, so that its holder hears of the loss in time.
    const stepDown = this.#renews && !this.#terms.pace ? this.#ttl / 10 : 0
    return Math.min(this.#validUntil - stepDown, this.#endsAt)
  }

  #endOf(sentAt: number, ttl: number): number {
    const { believeFor = ttl } = this.#terms.pace ?? {}
    return Math.min(sentAt + believeFor, validUntil(sentAt, ttl))
  }

  #intervalOf(ttl: number): number {
    return this.#terms.pace?.renewEvery ?? ttl / 3
  }

  #look(): void {
    if (this.#over || this.#lost) return
    const time = now()
    if (time >= this.#endsAt) this.#lose('max-hold')
    else if (time >= this.#heldUntil) this.#lose('expired')
  }

  #arm(): void {
    this.#timer?.stop()
    if (this.#over || this.#lost) return
    const renews = this.#renews && !this.#renewing
    const next = renews ? Math.min(this.#renewAt, this.#heldUntil) : this.#heldUntil
    this.#timer = after(next - now(), () => this.#tick(), 'background')
  }

  #tick(): void {
    this.#look()
    if (this.#over || this.#lost) return
    if (this.#renews && !this.#renewing && now() >= this.#renewAt) void quietly(() => this.#keep())
    this.#arm()
  }

  async #keep(): Promise<void> {
    try {
      await this.#renew(this.#ttl)
    } catch {
      // The store could not be asked: try again soon, while the lease may still be believed.
      this.#renewAt = now() + RETRY_LEAST + Math.random() * RETRY_SPREAD
      this.#arm()
    }
  }

  #renew(ttl: number): Promise<void> {
    const renewal = this.#ask(ttl).finally(() => {
      this.#renewing = undefined
      this.#arm()
    })
    this.#renewing = renewal.catch(() => {})
    return renewal
  }

  async #ask(ttl: number): Promise<void> {
    const sentAt = now()
    const renewed = await this.#terms.renew(ttl)
    this.#look()
    if (this.#over || this.#lost) return
    if (!renewed) return this.#lose('lost')
    this.#ttl = ttl
    this.#validUntil = this.#endOf(sentAt, ttl)
    this.#renewAt = sentAt + this.#intervalOf(ttl)
  }

  /** From now on the store may have made the lease shorter, whatever it answers. */
  #shorten(ttl: number): void {
    const time = now()
    this.#ttl = ttl
    this.#validUntil = Math.min(this.#validUntil, this.#endOf(time, ttl))
    this.#renewAt = Math.min(this.#renewAt, time + this.#intervalOf(ttl))
  }

  #lose(reason: LossReason): void {
    const { subject, key } = this.#terms
    const why = {
      expired: 'it could not be renewed in time',
      lost: 'the store no longer knows it',
      'max-hold': 'it was held for longer than `maxHold`',
    }[reason]
    const error = new LeaseLostError(`The ${subject} is no longer held: ${why}`, { key })
    this.#lost = { reason, error }
    this.#timer?.stop()
    this.#terms.lost(error)
    this.#controller?.abort(error)
  }
}
