// Records in the memory of this process.
import type {
  BeginReply,
  BeginRequest,
  CommitRequest,
  LostExecution,
  Meta,
  Notice,
  Outcome,
  PutRequest,
  Records,
} from '../../core/ports.ts'
import { ExpiringMap } from './expiring-map.ts'
import { outgrow, wallClock } from './wall-clock.ts'

interface Claim {
  readonly id: string
  readonly token: number
  readonly startedAt: number
  /** The execution that it took over. */
  readonly lost: LostExecution | undefined
  meta: Meta
  leaseUntil: number
  /** Whether somebody waits for its end. */
  waited: boolean
}

interface Kept {
  /** Of the claim that committed it; undefined for one that was put. */
  readonly id: string | undefined
  readonly value: string
  readonly at: number
  readonly freshUntil: number
  /** Until when it stands, however long a claim makes the record last. */
  readonly until: number
  readonly meta: Meta
}

/** A record: a claim, an outcome, or an outcome that a claim is about to replace. */
interface Entry {
  readonly fingerprint: string | undefined
  /** Until when the record is kept. */
  readonly expiry: number
  readonly claim: Claim | undefined
  readonly kept: Kept | undefined
}

type Running = Entry & { readonly claim: Claim }

/** Records by name, each gone when its time is over. */
export class MemoryRecords implements Records {
  readonly #entries: ExpiringMap<Entry>
  readonly #now: () => number
  readonly #publish: (channel: string, text: string) => void
  #token = 0

  constructor(now: () => number, publish: (channel: string, text: string) => void) {
    this.#now = now
    this.#publish = publish
    this.#entries = new ExpiringMap(now)
  }

  async begin(request: BeginRequest): Promise<BeginReply> {
    const { record, id, fingerprint, takeover, waits } = request
    const entry = this.#entries.get(record)
    if (!entry) return this.#claim(request, undefined, undefined)
    if (fingerprint !== undefined && (entry.fingerprint ?? fingerprint) !== fingerprint) {
      return { state: 'mismatch' }
    }
    const { claim } = entry
    const kept = this.#standing(entry)
    const now = this.#now()
    const outcome = kept && this.#outcome(kept)
    if (claim?.id === id) {
      return { state: 'claimed', token: claim.token, lost: claim.lost, stale: outcome }
    }
    if (kept && outcome && now < kept.freshUntil) return { state: 'done', ...outcome }
    if (claim && claim.leaseUntil > now) {
      claim.waited ||= waits === true
      const retryAfter = claim.leaseUntil - now
      return { state: 'running', retryAfter, meta: claim.meta, stale: outcome }
    }
    // An outcome that stands is known, whatever became of the execution that was to replace it.
    if (!claim || outcome) return this.#claim(request, undefined, entry)
    const { startedAt, meta } = claim
    const lost = { startedAt, fingerprint: entry.fingerprint, meta }
    return takeover === 'never' ? { state: 'lapsed', ...lost } : this.#claim(request, lost, entry)
  }

  async renew(record: string, id: string, lease: number, meta?: Meta): Promise<boolean> {
    const entry = this.#running(record, id)
    if (!entry) return false
    entry.claim.leaseUntil = this.#now() + lease
    entry.claim.meta = meta ?? entry.claim.meta
    this.#keep(record, { ...entry, expiry: Math.max(entry.expiry, entry.claim.leaseUntil) })
    return true
  }

  async commit(request: CommitRequest): Promise<boolean> {
    const { record, id, notice } = request
    const entry = this.#entries.get(record)
    if (!entry) return false
    // The same commit again is a reply that was lost.
    if (entry.claim?.id !== id) return entry.kept?.id === id
    this.#write(request, id, entry.fingerprint)
    if (entry.claim.waited) this.#tell(notice)
    return true
  }

  async drop(record: string, id: string, notice?: Notice): Promise<boolean> {
    const entry = this.#running(record, id)
    if (!entry) return false
    const kept = this.#standing(entry)
    if (kept) this.#keep(record, { ...entry, claim: undefined, expiry: kept.until })
    else this.#entries.delete(record)
    if (entry.claim.waited) this.#tell(notice)
    return true
  }

  async put(request: PutRequest): Promise<void> {
    this.#write(request, undefined, undefined)
    this.#tell(request.notice)
  }

  async remove(record: string, notice?: Notice): Promise<boolean> {
    const existed = this.#entries.get(record) !== undefined
    this.#entries.delete(record)
    this.#tell(notice)
    return existed
  }

  async clear(prefix: string, notice?: Notice): Promise<void> {
    for (const record of this.#entries.names()) {
      if (record.startsWith(prefix)) this.#entries.delete(record)
    }
    this.#tell(notice)
  }

  #claim(
    request: BeginRequest,
    lost: LostExecution | undefined,
    entry: Entry | undefined,
  ): BeginReply {
    const { record, id, lease, ttl, takeover } = request
    const now = this.#now()
    const recovered = takeover === 'recover' ? lost : undefined
    const kept = entry && this.#standing(entry)
    this.#token = outgrow(this.#token)
    this.#keep(record, {
      fingerprint: request.fingerprint ?? entry?.fingerprint,
      expiry: Math.max(kept?.until ?? now + ttl, now + lease),
      kept,
      claim: {
        id,
        token: this.#token,
        startedAt: recovered?.startedAt ?? Math.floor(wallClock()),
        meta: recovered?.meta ?? request.meta,
        lost,
        leaseUntil: now + lease,
        waited: false,
      },
    })
    const stale = kept && this.#outcome(kept)
    return { state: 'claimed', token: this.#token, lost, stale }
  }

  #write(request: PutRequest, id: string | undefined, fingerprint: string | undefined): void {
    const { record, value, ttl, freshFor, meta } = request
    const at = this.#now()
    const freshUntil = freshFor === undefined ? Number.POSITIVE_INFINITY : at + freshFor
    const until = at + ttl
    const kept = { id, value, at, freshUntil, until, meta }
    this.#keep(record, { fingerprint, expiry: until, claim: undefined, kept })
  }

  #standing({ kept }: Entry): Kept | undefined {
    return kept && this.#now() < kept.until ? kept : undefined
  }

  #outcome({ value, at, meta }: Kept): Outcome {
    return { value, age: this.#now() - at, meta }
  }

  #keep(record: string, entry: Entry): void {
    this.#entries.set(record, entry, entry.expiry)
  }

  #running(record: string, id: string): Running | undefined {
    const entry = this.#entries.get(record)
    return entry?.claim?.id === id ? (entry as Running) : undefined
  }

  #tell(notice: Notice | undefined): void {
    if (notice) this.#publish(notice.channel, notice.text)
  }
}
