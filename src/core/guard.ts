// What a caller holds after an acquire: the lease of a grant, and how to give it back.
import { type Granted, resourceOf, type Wanted } from './acquire.ts'
import { emit } from './events.ts'
import { expectDuration } from './expect.ts'
import { Lease, type LeaseTerms } from './lease.ts'
import { callStore, deadlineFor } from './store-call.ts'
import { undo } from './undo.ts'

/** How a release ended. */
export interface Release {
  /** True when the guard was held until now and is free now. */
  readonly released: boolean
  /** Why not: its time was over, the store did not know it any more, or it was released before. */
  readonly reason?: 'expired' | 'lost' | 'already-released' | undefined
}

/** What a guard is made of, besides what was wanted and granted. */
export interface GuardTerms extends Pick<LeaseTerms, 'autoExtend' | 'maxHold' | 'pace'> {
  /** Told once, when the guard holds nothing any more. */
  over(guard: Guard): void
}

/** A share of a resource that is held until it is released, lost, or disposed of. */
export abstract class Guard implements AsyncDisposable {
  readonly #wanted: Wanted
  readonly #granted: Granted
  readonly #lease: Lease
  readonly #terms: GuardTerms
  readonly #unhold: (reason: string) => void
  #releasing: Promise<Release> | undefined
  #released = false
  #triedToRelease = false
  #ended = false

  /** Made by `acquire`; not by users. */
  constructor(wanted: Wanted, granted: Granted, terms: GuardTerms) {
    this.#wanted = wanted
    this.#granted = granted
    this.#terms = terms
    this.#lease = new Lease({
      subject: `${wanted.telling.noun} '${wanted.key}'`,
      key: wanted.key,
      ttl: wanted.ttl,
      sentAt: granted.sentAt,
      autoExtend: terms.autoExtend,
      maxHold: terms.maxHold,
      pace: terms.pace,
      renew: (ttl) => this.#renew(ttl),
      lost: (error) => {
        emit(wanted.adapter.onEvent, { name: wanted.telling.lost, key: wanted.key, error })
        this.#end(this.#lease.lossReason ?? 'lost')
      },
    })
    this.#unhold = wanted.telling.hold()
  }

  /** The key of the lock or semaphore. */
  get key(): string {
    return this.#wanted.key
  }

  /**
   * Aborts with a `LeaseLostError` when the lease is lost, before anybody else can hold it; pass it to the work.
   *
   * It does not abort on an orderly release.
   */
  get signal(): AbortSignal {
    return this.#lease.signal
  }

  /** Whether the guard holds at this moment, by the monotonic clock: false at once after a stall of the event loop. */
  get held(): boolean {
    return this.#lease.held
  }

  /**
   * Throws unless the guard holds at this moment.
   *
   * @throws LeaseLostError when the lease is lost or was released
   */
  assertHeld(): void {
    this.#lease.assertHeld()
  }

  /** Milliseconds that the guard holds without a further renewal; 0 when it does not hold. */
  remaining(): number {
    return this.#lease.remaining()
  }

  /**
   * Makes the lease last `ttl` milliseconds from now, and from every later renewal.
   *
   * @throws LeaseLostError when it is not held any more
   * @throws StoreUnavailableError when the store did not answer; the lease then stands as it was, unless `ttl` was less
   */
  async extend(ttl: number): Promise<void> {
    await this.#lease.extend(expectDuration('ttl', ttl))
  }

  /** Stops the background renewal, so that the lease ends when its time is over unless it is released before. */
  stopRenewal(): void {
    this.#lease.stopRenewal()
  }

  /**
   * Gives the share back, so that the next in the queue is called.
   *
   * Never takes anything from the next holder: a release that comes too late answers `{ released: false, reason }`.
   * Concurrent calls share one round trip.
   *
   * @throws StoreUnavailableError when the store did not answer; it is tried again in the background until the
   * ttl ends the lease anyway
   */
  async release(): Promise<Release> {
    if (this.#released) return { released: false, reason: 'already-released' }
    this.#releasing ??= this.#giveBack()
    try {
      const release = await this.#releasing
      this.#released = true
      return release
    } finally {
      this.#releasing = undefined
    }
  }

  /** Releases; a failure becomes an event and never an exception, so that it cannot hide the error of the work. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.release()
    } catch (error) {
      const { adapter, key } = this.#wanted
      emit(adapter.onEvent, { name: 'holdfast.release.failed', key, error })
    }
  }

  /** Ends the guard because the scope or signal that it was made for has ended: aborts its signal and releases it. */
  async close(reason: unknown): Promise<void> {
    this.#lease.close(reason)
    await this[Symbol.asyncDispose]()
  }

  async #giveBack(): Promise<Release> {
    const lost = this.#lease.lossReason
    this.#lease.end()
    const { adapter, key, ttl } = this.#wanted
    const deadline = deadlineFor(adapter, ttl)
    const giveBack = () => adapter.grants.release(resourceOf(this.#wanted), this.#granted.id)
    const call = callStore(key, deadline, giveBack)
    const again = this.#triedToRelease
    this.#triedToRelease = true
    try {
      const held = await call.answer
      if (lost) return { released: false, reason: lost === 'max-hold' ? 'lost' : lost }
      if (held) return { released: true }
      // What failed before, or was tried again in the background, has had its effect.
      return { released: false, reason: again ? 'already-released' : 'lost' }
    } catch (error) {
      // A failed release is repeated even when it had no effect: the lock would stay until its ttl is over.
      const settled = call.underlying.catch(() => {})
      void undo({ key, giveBack, deadline, lasts: ttl, onEvent: adapter.onEvent }, settled)
      throw error
    } finally {
      this.#end('released')
    }
  }

  #renew(ttl: number): Promise<boolean> {
    const { adapter, key, telling } = this.#wanted
    const resource = resourceOf(this.#wanted)
    return telling.renew(async () => {
      const renew = () => adapter.grants.renew(resource, this.#granted.id, ttl)
      return (await callStore(key, deadlineFor(adapter, ttl), renew).answer) !== undefined
    })
  }

  #end(reason: string): void {
    if (this.#ended) return
    this.#ended = true
    this.#unhold(reason)
    this.#terms.over(this)
  }
}
