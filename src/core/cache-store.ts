// The records of one cache in its store, and what becomes of them when the store cannot be asked.
import { attemptId } from './attempt-id.ts'
import { writeNotice } from './cache-notice.ts'
import { type CachedValue, decodeCached, encodeGone } from './cached-value.ts'
import { now } from './clock.ts'
import { isStoreUnavailableError } from './error-guards.ts'
import { emit } from './events.ts'
import type { Held } from './memory-tier.ts'
import type { Adapter, BeginReply, Notice, Outcome, PutRequest, Records } from './ports.ts'
import { callStore, deadlineFor } from './store-call.ts'
import { undo } from './undo.ts'

/** What a `Cache` needs of a store. */
export type CacheProvider = Pick<Adapter, 'records' | 'signals' | 'deadline' | 'onEvent'>

/** A claim on the load of a key. */
export interface Claim {
  readonly key: string
  readonly id: string
  readonly sentAt: number
}

/** What the store has of a key. */
export type Found<T> =
  | { readonly state: 'done'; readonly held: Held<T> }
  /** This process is to load it. */
  | { readonly state: 'claimed'; readonly claim: Claim; readonly stale: Held<T> | undefined }
  /** Another one loads it. */
  | {
      readonly state: 'running'
      readonly retryAfter: number
      readonly traceparent: string | undefined
      readonly stale: Held<T> | undefined
    }
  /** The store cannot be asked, or what it has is not ours. */
  | { readonly state: 'unknown' }

/** A value that is to be kept, written. */
export type Written = Pick<PutRequest, 'value' | 'ttl' | 'freshFor' | 'meta'>

/** How long a store that failed is left alone. */
const AWAY = 1_000
/** Clearing takes as many steps as there are keys: the deadline of one call does not fit it. */
const CLEAR_WITHIN = 60_000

/** The records of one cache. */
export class CacheStore {
  readonly provider: CacheProvider
  readonly channel: string
  readonly #prefix: string
  readonly #lease: number
  readonly #returned: () => void
  #failedAt: number | undefined

  constructor(terms: {
    readonly provider: CacheProvider
    readonly name: string
    readonly lease: number
    /** Told when the store answers again after it was away. */
    returned(): void
  }) {
    this.provider = terms.provider
    this.channel = `cache:${terms.name}`
    this.#prefix = `cache:${terms.name}:`
    this.#lease = terms.lease
    this.#returned = () => terms.returned()
  }

  /** Whether the store failed when last asked. */
  get away(): boolean {
    return this.#failedAt !== undefined
  }

  /** Whether it failed so recently that it is not asked. */
  get rests(): boolean {
    return this.#failedAt !== undefined && now() < this.#failedAt + AWAY
  }

  /** Reads a value or claims its load, in one round trip; never rejects. */
  async ask<T>(key: string, staleFor: number, traceparent: string | undefined): Promise<Found<T>> {
    if (this.rests) return { state: 'unknown' }
    const claim: Claim = { key, id: attemptId(), sentAt: now() }
    const request = {
      record: this.#record(key),
      id: claim.id,
      lease: this.#lease,
      ttl: this.#lease,
      takeover: 'rerun',
      waits: true,
      meta: { traceparent },
    } as const
    const { answer, underlying } = this.#call(key, (records) => records.begin(request))
    try {
      const reply = await answer
      this.#answered()
      return this.#read(reply, claim, staleFor)
    } catch (error) {
      this.failed(key, error)
      // It may have been claimed all the same, and nobody would load it then.
      this.#giveBack(claim, underlying)
      return { state: 'unknown' }
    }
  }

  /** Keeps what was loaded, if nothing has ended the claim meanwhile; undefined when that is not known. */
  async keep(claim: Claim, written: Written): Promise<boolean | undefined> {
    const { key, id } = claim
    const commit = { ...written, record: this.#record(key), id, notice: this.#ended(key) }
    const { answer, underlying } = this.#call(key, (records) => records.commit(commit))
    try {
      const kept = await answer
      this.#answered()
      return kept
    } catch (error) {
      this.failed(key, error)
      this.#giveBack(claim, underlying)
      return undefined
    }
  }

  /** Ends a claim, so that the next caller loads; behind the caller. */
  drop(claim: Claim): void {
    this.#giveBack(claim)
  }

  /** Ends a claim whose value is not kept, and what stood before it, which is not true any more; never rejects. */
  async giveUp(claim: Claim, replaces: boolean): Promise<void> {
    if (!replaces) return this.drop(claim)
    // Not removed, because what was set meanwhile stays.
    await this.keep(claim, { value: encodeGone(), ttl: 1, freshFor: 1, meta: {} })
  }

  /** Lets nobody load for a while; never rejects. */
  async rest(claim: Claim, ms: number): Promise<void> {
    const { key, id } = claim
    const renew = (records: Records) => records.renew(this.#record(key), id, ms)
    await this.#call(key, renew).answer.catch((error: unknown) => this.failed(key, error))
  }

  /** Makes a claim last for `ttl` milliseconds from now. */
  renew({ key, id }: Claim, ttl: number): Promise<boolean> {
    return this.#call(key, (records) => records.renew(this.#record(key), id, ttl)).answer
  }

  async put(key: string, written: Written): Promise<void> {
    const request = { ...written, record: this.#record(key), notice: this.#changed(key) }
    await this.#call(key, (records) => records.put(request)).answer
  }

  remove(key: string): Promise<boolean> {
    const remove = (records: Records) => records.remove(this.#record(key), this.#changed(key))
    return this.#call(key, remove).answer
  }

  async clear(): Promise<void> {
    const clear = (records: Records) => records.clear(this.#prefix, this.#changed())
    await callStore(this.channel, CLEAR_WITHIN, () => clear(this.provider.records)).answer
  }

  /** Tells of a store that failed, and leaves it alone for a while. */
  failed(key: string, error: unknown): void {
    if (isStoreUnavailableError(error)) this.#failedAt = now()
    emit(this.provider.onEvent, { name: 'holdfast.cache.fail_open', key, error })
  }

  #answered(): void {
    if (this.#failedAt === undefined) return
    this.#failedAt = undefined
    this.#returned()
  }

  #read<T>(reply: BeginReply, claim: Claim, staleFor: number): Found<T> {
    const { key, sentAt } = claim
    const read = (outcome: Outcome | undefined): Held<T> | undefined => {
      const cached = outcome && decodeCached<T>(outcome.value, key)
      return cached && heldFrom(cached, outcome, sentAt, staleFor)
    }
    switch (reply.state) {
      case 'done': {
        const held = read(reply)
        // It is gone for good in a moment.
        if (!held)
          return { state: 'running', retryAfter: 1, traceparent: undefined, stale: undefined }
        return { state: 'done', held }
      }
      case 'claimed':
        return { state: 'claimed', claim, stale: this.#orNothing(key, () => read(reply.stale)) }
      case 'running': {
        const { retryAfter, meta } = reply
        const stale = this.#orNothing(key, () => read(reply.stale))
        return { state: 'running', retryAfter, traceparent: meta.traceparent, stale }
      }
      default:
        return { state: 'unknown' }
    }
  }

  /** A stale value that cannot be read is about to be replaced: it is none. */
  #orNothing<R>(key: string, read: () => R): R | undefined {
    try {
      return read()
    } catch (error) {
      this.failed(key, error)
      return undefined
    }
  }

  #giveBack({ key, id }: Claim, pending?: Promise<unknown>): void {
    const { records, onEvent } = this.provider
    const giveBack = () => records.drop(this.#record(key), id, this.#ended(key))
    const deadline = deadlineFor(this.provider, this.#lease)
    void undo({ key, giveBack, deadline, lasts: this.#lease, onEvent }, pending)
  }

  #call<R>(key: string, call: (records: Records) => Promise<R>) {
    const deadline = deadlineFor(this.provider, this.#lease)
    return callStore(key, deadline, () => call(this.provider.records))
  }

  #record(key: string): string {
    return this.#prefix + key
  }

  #ended(key: string): Notice {
    return writeNotice(this.channel, 'ended', key)
  }

  #changed(key?: string): Notice {
    return writeNotice(this.channel, 'changed', key)
  }
}

/** What a value means to this process's clock. */
export function heldFrom<T>(
  { value, ttl, freshFor }: CachedValue<T>,
  { age, meta }: Pick<Outcome, 'age' | 'meta'>,
  sentAt: number,
  staleFor: number,
): Held<T> {
  // Counted from before it was asked for: a slow answer must not make a value younger.
  const keptAt = sentAt - age
  const endsAt = keptAt + ttl
  return {
    value,
    keptAt,
    freshUntil: keptAt + freshFor,
    endsAt,
    usableUntil: endsAt + staleFor,
    traceparent: meta.traceparent,
    restsUntil: 0,
    used: false,
  }
}
