// One caller's way through the states of an idempotent call: begin, execute or replay, commit.
import { level, sample, type Watch } from '../telemetry/index.ts'
import { abortError, type JoinedSignal, LateJoinedSignal } from './abort.ts'
import { attemptId } from './attempt-id.ts'
import { awaitExecution } from './await-execution.ts'
import { now, pause } from './clock.ts'
import { sizeOf } from './envelope.ts'
import { isStoreUnavailableError } from './error-guards.ts'
import {
  FingerprintMismatchError,
  InProgressError,
  InvalidArgumentError,
  LeaseLostError,
  NotReplayableError,
  OutcomeUnknownError,
  StoreUnavailableError,
} from './errors.ts'
import { emit } from './events.ts'
import { refuse } from './expect.ts'
import { Lease, validUntil } from './lease.ts'
import { decodeOutcome, encodeOutcome, type StoredOutcome } from './outcome-codec.ts'
import { untilAborted } from './patience.ts'
import type {
  Adapter,
  BeginReply,
  BeginRequest,
  CommitRequest,
  LostExecution,
  Meta,
  Takeover,
  TransactionClient,
  Transactions,
} from './ports.ts'
import { callStore, deadlineFor, type StoreCall } from './store-call.ts'
import { undo } from './undo.ts'

/** What `Idempotency` needs of a store. */
export type IdempotencyProvider = Pick<Adapter, 'records' | 'transactions' | 'deadline' | 'onEvent'>

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
  /** Milliseconds to wait for another caller's execution. */
  readonly wait: number
  readonly signal: AbortSignal | undefined
}

/** The user's client, and what the store can do in a transaction on it. */
export interface InTransaction {
  readonly client: TransactionClient
  readonly transactions: Transactions
}

/** A claim that is held, under which the work is to be executed. */
interface Claim {
  readonly lease: Lease
  readonly token: number
  /** The execution that was taken over, whose outcome is unknown. */
  readonly lost: LostExecution | undefined
}

/** The context of an execution, whose signal is made only when the function asks for it. */
class Performing implements ExecutionContext {
  readonly recovered: boolean
  readonly fencingToken: number
  /** A function of its own, because callers take it out of the context. */
  readonly stopRenewal: () => void
  readonly #joined: JoinedSignal

  constructor(joined: JoinedSignal, lease: Lease, fencingToken: number, recovered: boolean) {
    this.recovered = recovered
    this.fencingToken = fencingToken
    this.stopRenewal = () => lease.stopRenewal()
    this.#joined = joined
  }

  get signal(): AbortSignal {
    return this.#joined.signal
  }
}

const NOT_KEPT = { kind: 'tombstone', why: 'its value was not kept' } as const

/** Marks the claims of transactions: what such an execution did and did not record was rolled back. */
const TRANSACTION = 'transaction'

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

  /** Executes the work, and keeps its value afterwards. */
  run(
    work: (context: ExecutionContext) => Promise<T> | T,
    keep: Keep<T> | undefined,
  ): Promise<Executed<T>> {
    return this.#once({ traceparent: this.#watch.traceparent }, async (claim) => {
      let value: T
      try {
        value = await this.#perform(claim, work)
      } catch (error) {
        await this.#forget(claim.lease)
        throw error
      }
      claim.lease.end()
      let kept: ReturnType<Keep<T>>
      try {
        kept = keep?.(value) ?? 'value'
      } catch (error) {
        await this.#commit(NOT_KEPT)
        throw error
      }
      if (kept === 'nothing') await this.#dropQuietly()
      else if (kept === 'value') await this.#commit({ kind: 'value', value })
      else await this.#commit(NOT_KEPT)
      return value
    })
  }

  /** Executes the work in a transaction, and keeps its value in the same one. */
  runIn(
    { client, transactions }: InTransaction,
    work: (context: ExecutionContext) => Promise<T> | T,
  ): Promise<Executed<T>> {
    const meta = { traceparent: this.#watch.traceparent, owner: TRANSACTION }
    return this.#once(meta, async (claim) => {
      const { lease } = claim
      const begun = this.#bounded(() => transactions.begin(client, this.#id))
      try {
        await this.#uncommitted(begun.answer)
      } catch (error) {
        // One that begins too late is not left open on the user's client.
        begun.underlying.then(
          () => transactions.rollback(client, this.#id),
          () => {},
        )
        await this.#forget(lease)
        throw error
      }
      let value: T
      try {
        value = await this.#perform(claim, work)
        const request = this.#outcome({ kind: 'value', value })
        const recorded = this.#bounded(() => transactions.record(client, request))
        if (!(await this.#uncommitted(recorded.answer))) throw this.#lostClaim()
      } catch (error) {
        if (await transactions.rollback(client, this.#id)) {
          await this.#forget(lease)
          throw error
        }
        lease.end()
        await this.#leaveUnknown()
        throw endedByItself(this.#terms.key, error)
      }
      lease.end()
      await this.#commitTransaction(client, transactions)
      return value
    })
  }

  async #commitTransaction(client: TransactionClient, transactions: Transactions): Promise<void> {
    try {
      await this.#bounded(() => transactions.commit(client)).answer
    } catch (error) {
      // What was committed nevertheless has ended the claim, and is not undone by this.
      if (isStoreUnavailableError(error) && error.outcome === 'unknown') {
        this.#giveBack(() => this.#terms.provider.records.drop(this.#record, this.#id))
      } else await this.#dropQuietly()
      throw error
    }
  }

  /** Answers the outcome that there is, or executes under a claim. */
  async #once(meta: Meta, execute: (claim: Claim) => Promise<T>): Promise<Executed<T>> {
    const { signal, key, takeover, recover } = this.#terms
    // A transaction looks first: what it takes over from a plain execution may be half done, whatever becomes of it.
    const looks = !takeover || isTransaction(meta)
    let reply = await this.#firstReply(looks ? 'never' : 'rerun', meta)
    if (reply.state === 'lapsed' && leftNothing(reply)) reply = await this.#begin('rerun', meta)
    if (reply.state === 'lapsed' && takeover) {
      reply = await this.#begin('rerun', { traceparent: meta.traceparent })
    }
    if (reply.state === 'lapsed' && recover) reply = await this.#begin('recover', meta)
    if (reply.state === 'done') return this.#replay(reply)
    if (reply.state !== 'claimed') throw this.#refusal(reply)
    const lost = reply.lost && !leftNothing(reply.lost) ? reply.lost : undefined
    const claim = { lease: this.#hold(), token: reply.token, lost }
    if (signal?.aborted) {
      await (lost ? this.#giveUp(claim.lease) : this.#forget(claim.lease))
      throw abortError(signal, key)
    }
    if (lost && recover && !takeover) {
      const settled = await this.#recoverLost(lost, claim.lease, recover)
      if (settled) return settled
    }
    const recovered = lost !== undefined
    if (recovered) this.#watch.note({ outcome: 'recovered', recovered })
    this.#watch.link(lost?.meta.traceparent)
    return { value: await execute(claim), replayed: false, recovered }
  }

  async settle(resolution: NonNullable<Resolution<T>>): Promise<void> {
    const reply = await this.#begin('recover', { traceparent: this.#watch.traceparent })
    if (reply.state === 'done') return
    if (reply.state !== 'claimed') throw this.#refusal(reply)
    if ('value' in resolution) {
      await this.#commit({ kind: 'value', value: resolution.value })
    } else if (!(await this.#drop())) {
      const { key } = this.#terms
      throw new LeaseLostError(`The claim on '${key}' was lost before it was settled`, { key })
    }
  }

  /** The first reply that is not `running`, if there is one within the caller's `wait`. */
  async #firstReply(takeover: Takeover, meta: Meta): Promise<BeginReply> {
    const reply = await this.#begin(takeover, meta)
    if (reply.state !== 'running' || this.#terms.wait === 0) return reply
    this.#watch.note({ contended: true })
    const terms = { ...this.#terms, record: this.#record }
    return await awaitExecution(terms, reply, () => this.#begin(takeover, meta))
  }

  async #begin(takeover: Takeover, meta: Meta): Promise<BeginReply> {
    const { provider, key, lease, ttl, fingerprint, signal } = this.#terms
    const patience = untilAborted(signal, key)
    const request: BeginRequest = {
      record: this.#record,
      id: this.#id,
      lease,
      ttl,
      fingerprint,
      takeover,
      meta,
    }
    this.#sentAt = now()
    const deadline = deadlineFor(provider, lease)
    const { answer, underlying } = callStore(key, deadline, () => provider.records.begin(request))
    try {
      const reply = await patience.within(answer)
      if (reply.state !== 'claimed' || now() < validUntil(this.#sentAt, lease)) return reply
    } catch (error) {
      this.#unclaim(underlying, takeover)
      throw error
    } finally {
      patience.end()
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
      const lost = reply.state === 'claimed' ? reply.lost : undefined
      tookOver = lost !== undefined && !leftNothing(lost)
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
    return this.#bounded(() => call(this.#terms.provider.records)).answer
  }

  #bounded<R>(call: () => Promise<R>): StoreCall<R> {
    const { provider, key, lease } = this.#terms
    return callStore(key, deadlineFor(provider, lease), call)
  }

  /** The answer to a call in a transaction that is not committed when it fails: it certainly has no effect. */
  async #uncommitted<R>(answer: Promise<R>): Promise<R> {
    try {
      return await answer
    } catch (error) {
      if (!isStoreUnavailableError(error) || error.outcome === 'none') throw error
      const { key } = this.#terms
      throw new StoreUnavailableError(error.message, { key, outcome: 'none', cause: error })
    }
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
    if (!('value' in resolution)) {
      // The answer says nothing of those who have run it since the claim was lost.
      lease.assertHeld()
      return undefined
    }
    lease.end()
    await this.#commit({ kind: 'value', value: resolution.value })
    this.#watch.note({ outcome: 'recovered', recovered: true })
    return { value: resolution.value, replayed: true, recovered: true, traceparent }
  }

  async #perform(
    { lease, token, lost }: Claim,
    work: (context: ExecutionContext) => Promise<T> | T,
  ): Promise<T> {
    const { name } = this.#terms
    const joined = new LateJoinedSignal(() => [lease.signal, this.#terms.signal])
    level('idempotency.execution.active', { name }, 1)
    try {
      return await work(new Performing(joined, lease, token, lost !== undefined))
    } finally {
      joined.letGo()
      level('idempotency.execution.active', { name }, -1)
    }
  }

  #outcome(outcome: StoredOutcome<T>): CommitRequest {
    const { ttl, maxBytes, name } = this.#terms
    const value = encodeOutcome(outcome, maxBytes)
    sample('idempotency.record.size', { name }, sizeOf(value))
    const meta = { traceparent: this.#watch.traceparent }
    return { record: this.#record, id: this.#id, value, ttl, meta }
  }

  #lostClaim(): LeaseLostError {
    const { key } = this.#terms
    return new LeaseLostError(`The claim on '${key}' was lost before its outcome was recorded`, {
      key,
    })
  }

  async #commit(outcome: StoredOutcome<T>): Promise<void> {
    const request = this.#outcome(outcome)
    const commit = () => this.#call((records) => records.commit(request))
    let committed: boolean
    try {
      committed = await commit()
    } catch (error) {
      if (isStoreUnavailableError(error)) void this.#commitLater(commit)
      throw error
    }
    if (!committed) throw this.#lostClaim()
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

  #dropQuietly(): Promise<void> {
    return this.#quietly((records) => records.drop(this.#record, this.#id))
  }

  /** Lets the claim of a transaction lapse like that of a call without one. */
  #leaveUnknown(): Promise<void> {
    const { traceparent } = this.#watch
    return this.#quietly((records) => records.renew(this.#record, this.#id, 0, { traceparent }))
  }

  /** Gives back; what fails is tried again in the background and not thrown, because the caller's own error counts. */
  async #quietly(giveBack: (records: Adapter['records']) => Promise<boolean>): Promise<void> {
    try {
      await this.#call(giveBack)
    } catch (error) {
      this.#failedToGiveBack(error)
      this.#giveBack(() => giveBack(this.#terms.provider.records))
    }
  }

  #failedToGiveBack(error: unknown): void {
    const { provider, key } = this.#terms
    emit(provider.onEvent, { name: 'holdfast.release.failed', key, error })
  }
}

function endedByItself(key: string, cause: unknown): Error {
  return new InvalidArgumentError(
    `Expected \`work\` to leave the transaction of '${key}' open: it has ended it, so that nobody knows what was committed; settle it with resolve() or \`recover\``,
    { key, cause },
  )
}

/** Whether an execution that did not record its outcome certainly did nothing. */
function leftNothing({ meta }: LostExecution): boolean {
  return isTransaction(meta)
}

function isTransaction({ owner }: Meta): boolean {
  return owner === TRANSACTION
}

/** Takes an answer for a resolution: what is none must not let the work run a second time. */
export function expectResolution<R extends object>(option: string, answer: R): R {
  const { retry } = (answer ?? {}) as { readonly retry?: unknown }
  const isOne =
    typeof answer === 'object' && answer !== null && ('value' in answer || retry === true)
  if (!isOne) refuse(option, '`{ value }` or `{ retry: true }`', answer)
  return answer
}
