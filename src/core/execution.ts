// One caller's way through the states of an idempotent call: begin, execute or replay, commit.
import { level, sample, type Watch } from '../telemetry/index.ts'
import { abortError, joinSignals } from './abort.ts'
import { attemptId } from './attempt-id.ts'
import { now, pause } from './clock.ts'
import { isStoreUnavailableError } from './error-guards.ts'
import {
  FingerprintMismatchError,
  InProgressError,
  LeaseLostError,
  NotReplayableError,
  OutcomeUnknownError,
  StoreUnavailableError,
} from './errors.ts'
import { emit } from './events.ts'
import { refuse } from './expect.ts'
import { Lease, validUntil } from './lease.ts'
import { decodeOutcome, encodeOutcome, type StoredOutcome } from './outcome-codec.ts'
import type { Adapter, BeginReply, BeginRequest, LostExecution, Takeover } from './ports.ts'
import { callStore, deadlineFor } from './store-call.ts'
import { undo } from './undo.ts'

/** What `Idempotency` needs of a store. */
export type IdempotencyProvider = Pick<Adapter, 'records' | 'deadline' | 'onEvent'>

/** What `recover` is told of an execution that did not record its outcome. */
export interface LostCall {
  readonly fingerprint: string | undefined
  /** When it began, by the store's clock. */
  readonly startedAt: Date
  /** The W3C traceparent of its span. */
  readonly traceparent: string | undefined
  /** Aborts when the claim under which `recover` runs is lost. */
  readonly signal: AbortSignal
}

/** What becomes of an unknown outcome: its value, another execution, or (undefined) it stays unknown. */
export type Resolution<T> = { readonly value: T } | { readonly retry: true } | undefined

/** What to keep of a value: itself, nothing (the next call runs again), or a tombstone (it never does). */
export type Keep<T> = (value: T) => 'value' | 'nothing' | 'tombstone'

/** Settles an outcome that is unknown. */
export type Recover<T> = (key: string, lost: LostCall) => Promise<Resolution<T>> | Resolution<T>

/** What the function of an idempotent call is given. */
export interface ExecutionContext {
  /** Aborts with the caller's signal and when the claim is lost. */
  readonly signal: AbortSignal
  /** True when an earlier execution of this key ended without recording its outcome. */
  readonly recovered: boolean
  /** Grows with every execution of the key; pass it on to what must refuse a stale one. */
  readonly fencingToken: number
  /** Lets the claim end when its time is over unless the execution ends before. */
  stopRenewal(): void
}

/** The outcome of an idempotent call. */
export interface Executed<T> {
  readonly value: T
  /** True when the value was stored by an earlier execution and the function did not run. */
  readonly replayed: boolean
  /** True when an earlier execution was lost and this one ran or settled it. */
  readonly recovered: boolean
  /** The W3C traceparent of the execution that a replay came from. */
  readonly traceparent?: string | undefined
}

/** What is told of an execution. */
export type ExecuteWatch = Watch<'idempotency.execute'>

const COMMIT_RETRY = 200
/** How long a claim that came too late is tried to be given back. */
const UNCLAIM_FOR = 300_000

/** What is to be executed, and how. */
export interface ExecutionTerms<T> {
  readonly provider: IdempotencyProvider
  readonly key: string
  readonly name: string
  readonly lease: number
  readonly ttl: number
  readonly takeover: boolean
  readonly recover: Recover<T> | undefined
  readonly maxBytes: number
  readonly fingerprint: string | undefined
  readonly signal: AbortSignal | undefined
}

type Claimed = Extract<BeginReply, { state: 'claimed' }>

/** One caller's way through the states of a record. */
export class Execution<T> {
  readonly #terms: ExecutionTerms<T>
  readonly #watch: ExecuteWatch
  readonly #id: string = attemptId()
  readonly #record: string
  #sentAt = 0

  constructor(terms: ExecutionTerms<T>, watch: ExecuteWatch) {
    this.#terms = terms
    this.#watch = watch
    this.#record = `idempotency:${terms.key}`
  }

  async run(
    work: (context: ExecutionContext) => Promise<T> | T,
    keep: Keep<T> | undefined,
  ): Promise<Executed<T>> {
    const { signal, key, takeover, recover } = this.#terms
    if (signal?.aborted) throw abortError(signal, key)
    let reply = await this.#begin(takeover ? 'rerun' : 'never')
    if (reply.state === 'lapsed' && recover) reply = await this.#begin('recover')
    if (reply.state === 'done') return this.#replay(reply)
    if (reply.state !== 'claimed') throw this.#refusal(reply)
    const lease = this.#hold()
    if (signal?.aborted) {
      await (reply.lost ? this.#giveUp(lease) : this.#forget(lease))
      throw abortError(signal, key)
    }
    if (reply.lost && recover && !takeover) {
      const settled = await this.#recoverLost(reply.lost, lease, recover)
      if (settled) return settled
    }
    return this.#execute(reply, lease, work, keep)
  }

  async settle(resolution: NonNullable<Resolution<T>>): Promise<void> {
    const reply = await this.#begin('recover')
    if (reply.state === 'done') return
    if (reply.state !== 'claimed') throw this.#refusal(reply)
    if ('value' in resolution) {
      await this.#commit({ kind: 'value', value: resolution.value })
    } else if (!(await this.#drop())) {
      const { key } = this.#terms
      throw new LeaseLostError(`The claim on '${key}' was lost before it was settled`, { key })
    }
  }

  async #begin(takeover: Takeover): Promise<BeginReply> {
    const { provider, key, lease, ttl, fingerprint } = this.#terms
    const request: BeginRequest = {
      record: this.#record,
      id: this.#id,
      lease,
      ttl,
      fingerprint,
      takeover,
      meta: { traceparent: this.#watch.traceparent },
    }
    this.#sentAt = now()
    const deadline = deadlineFor(provider, lease)
    const { answer, underlying } = callStore(key, deadline, () => provider.records.begin(request))
    try {
      const reply = await answer
      if (reply.state !== 'claimed' || now() < validUntil(this.#sentAt, lease)) return reply
    } catch (error) {
      this.#unclaim(underlying, takeover)
      throw error
    }
    this.#unclaim(underlying, takeover)
    throw new StoreUnavailableError(
      `The claim on '${key}' was granted, but the answer took longer than its lease of ${lease} ms`,
      { key, outcome: 'none' },
    )
  }

  /**
   * Gives back a claim that came too late to be used.
   *
   * It was never executed: left behind, its outcome would count as unknown. But what it has taken over stays as unknown
   * as it was: dropped, the work of the lost execution could be done twice.
   */
  #unclaim(begun: Promise<BeginReply>, takeover: Takeover): void {
    const { records } = this.#terms.provider
    let tookOver = takeover !== 'never'
    const settled = begun.then((reply) => {
      tookOver = reply.state === 'claimed' && reply.lost !== undefined
    })
    this.#giveBack(
      () =>
        tookOver ? records.renew(this.#record, this.#id, 0) : records.drop(this.#record, this.#id),
      settled,
    )
  }

  #giveBack(giveBack: () => Promise<boolean>, pending?: Promise<void>): void {
    const { provider, key, lease, ttl } = this.#terms
    const deadline = deadlineFor(provider, lease)
    const lasts = Math.min(ttl, UNCLAIM_FOR)
    void undo({ key, giveBack, deadline, lasts, onEvent: provider.onEvent }, pending)
  }

  #call<R>(call: (records: Adapter['records']) => Promise<R>): Promise<R> {
    const { provider, key, lease } = this.#terms
    return callStore(key, deadlineFor(provider, lease), () => call(provider.records)).answer
  }

  #replay(reply: Extract<BeginReply, { state: 'done' }>): Executed<T> {
    const { key, name } = this.#terms
    const { traceparent } = reply.meta
    this.#watch.link(traceparent)
    const outcome = decodeOutcome<T>(reply.value, key)
    if (outcome.kind === 'tombstone') {
      throw new NotReplayableError(`'${key}' was executed, but ${outcome.why}`, { key })
    }
    this.#watch.note({ outcome: 'replayed', replayed: true })
    sample('idempotency.replay.age', { name }, reply.age / 1000)
    return { value: outcome.value, replayed: true, recovered: false, traceparent }
  }

  #refusal(reply: Exclude<BeginReply, { state: 'done' | 'claimed' }>): Error {
    const { key } = this.#terms
    if (reply.state === 'mismatch') {
      return new FingerprintMismatchError(`'${key}' was used before with another payload`, { key })
    }
    this.#watch.link(reply.meta.traceparent)
    if (reply.state === 'running') {
      const { retryAfter } = reply
      return new InProgressError(`'${key}' is being executed now`, { key, retryAfter })
    }
    return new OutcomeUnknownError(
      `An execution of '${key}' began at ${new Date(reply.startedAt).toISOString()} and did not record its outcome; settle it with resolve() or \`recover\``,
      { key },
    )
  }

  #hold(): Lease {
    const { key, lease, provider } = this.#terms
    return new Lease({
      subject: `claim on '${key}'`,
      key,
      ttl: lease,
      sentAt: this.#sentAt,
      autoExtend: true,
      renew: (ttl) => this.#call((records) => records.renew(this.#record, this.#id, ttl)),
      lost: (error) =>
        emit(provider.onEvent, { name: 'holdfast.idempotency.record_lost', key, error }),
    })
  }

  async #recoverLost(
    lost: LostExecution,
    lease: Lease,
    recover: Recover<T>,
  ): Promise<Executed<T> | undefined> {
    const { key } = this.#terms
    const { traceparent } = lost.meta
    this.#watch.link(traceparent)
    let resolution: Resolution<T>
    try {
      resolution = await recover(key, {
        fingerprint: lost.fingerprint,
        startedAt: new Date(lost.startedAt),
        traceparent,
        signal: lease.signal,
      })
      if (resolution !== undefined) expectResolution('recover', resolution)
    } catch (error) {
      await this.#giveUp(lease)
      throw error
    }
    if (resolution === undefined) {
      await this.#giveUp(lease)
      throw this.#refusal({ state: 'lapsed', ...lost })
    }
    if (!('value' in resolution)) return undefined
    lease.end()
    await this.#commit({ kind: 'value', value: resolution.value })
    this.#watch.note({ outcome: 'recovered', recovered: true })
    return { value: resolution.value, replayed: true, recovered: true, traceparent }
  }

  async #execute(
    { token, lost }: Claimed,
    lease: Lease,
    work: (context: ExecutionContext) => Promise<T> | T,
    keep: Keep<T> | undefined,
  ): Promise<Executed<T>> {
    const { name } = this.#terms
    const recovered = lost !== undefined
    if (recovered) this.#watch.note({ outcome: 'recovered', recovered })
    this.#watch.link(lost?.meta.traceparent)
    const joined = joinSignals([lease.signal, this.#terms.signal])
    level('idempotency.execution.active', { name }, 1)
    let value: T
    try {
      value = await work({
        signal: joined.signal,
        recovered,
        fencingToken: token,
        stopRenewal: () => lease.stopRenewal(),
      })
    } catch (error) {
      await this.#forget(lease)
      throw error
    } finally {
      joined.letGo()
      level('idempotency.execution.active', { name }, -1)
    }
    lease.end()
    const kept = keep?.(value) ?? 'value'
    if (kept === 'nothing') await this.#dropQuietly()
    else if (kept === 'value') await this.#commit({ kind: 'value', value })
    else await this.#commit({ kind: 'tombstone', why: 'its value was not kept' })
    return { value, replayed: false, recovered }
  }

  async #commit(outcome: StoredOutcome<T>): Promise<void> {
    const { key, ttl, maxBytes, name } = this.#terms
    const value = encodeOutcome(outcome, maxBytes)
    sample('idempotency.record.size', { name }, value.length)
    const { record, id, meta } = {
      record: this.#record,
      id: this.#id,
      meta: { traceparent: this.#watch.traceparent },
    }
    const commit = () => this.#call((records) => records.commit({ record, id, value, ttl, meta }))
    let committed: boolean
    try {
      committed = await commit()
    } catch (error) {
      if (isStoreUnavailableError(error)) void this.#commitLater(commit)
      throw error
    }
    if (committed) return
    throw new LeaseLostError(`The claim on '${key}' was lost before its outcome was recorded`, {
      key,
    })
  }

  async #commitLater(commit: () => Promise<boolean>): Promise<void> {
    const { provider, key, lease } = this.#terms
    for (const until = now() + lease; now() < until; ) {
      await pause(COMMIT_RETRY)
      try {
        if (!(await commit()))
          emit(provider.onEvent, { name: 'holdfast.idempotency.record_lost', key })
        return
      } catch (error) {
        emit(provider.onEvent, { name: 'holdfast.idempotency.commit_failed', key, error })
      }
    }
  }

  async #forget(lease: Lease): Promise<void> {
    lease.end()
    await this.#dropQuietly()
  }

  /** Gives the claim back with its outcome as unknown as it was. */
  async #giveUp(lease: Lease): Promise<void> {
    lease.end()
    try {
      await this.#call((records) => records.renew(this.#record, this.#id, 0))
    } catch (error) {
      this.#failedToGiveBack(error)
    }
  }

  #drop(): Promise<boolean> {
    return this.#call((records) => records.drop(this.#record, this.#id))
  }

  /** Forgets the claim; what fails is tried again in the background and not thrown, because the caller's own error counts. */
  async #dropQuietly(): Promise<void> {
    try {
      await this.#drop()
    } catch (error) {
      this.#failedToGiveBack(error)
      this.#giveBack(() => this.#terms.provider.records.drop(this.#record, this.#id))
    }
  }

  #failedToGiveBack(error: unknown): void {
    const { provider, key } = this.#terms
    emit(provider.onEvent, { name: 'holdfast.release.failed', key, error })
  }
}

/** Takes an answer for a resolution: what is none must not let the work run a second time. */
export function expectResolution<R extends object>(option: string, answer: R): R {
  const { retry } = (answer ?? {}) as { readonly retry?: unknown }
  const isOne =
    typeof answer === 'object' && answer !== null && ('value' in answer || retry === true)
  if (!isOne) refuse(option, '`{ value }` or `{ retry: true }`', answer)
  return answer
}
