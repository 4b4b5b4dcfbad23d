// Records in the memory of this process.
import type {
  BeginReply,
  BeginRequest,
  CommitRequest,
  LostExecution,
  Meta,
  Records,
} from '../../core/ports.ts'
import { ExpiringMap } from './expiring-map.ts'

interface Claim {
  readonly state: 'running'
  readonly id: string
  readonly token: number
  readonly startedAt: number
  /** The execution that it took over. */
  readonly lost: LostExecution | undefined
  leaseUntil: number
}

interface Outcome {
  readonly state: 'done'
  readonly id: string
  readonly value: string
  readonly at: number
}

interface Entry {
  readonly fingerprint: string | undefined
  readonly meta: Meta
  /** Until when the record is kept. */
  readonly expiry: number
  readonly is: Claim | Outcome
}

/** Records by name, each gone when its time is over. */
export class MemoryRecords implements Records {
  readonly #entries: ExpiringMap<Entry>
  readonly #now: () => number
  #token = 0

  constructor(now: () => number) {
    this.#now = now
    this.#entries = new ExpiringMap(now)
  }

  async begin(request: BeginRequest): Promise<BeginReply> {
    const { record, id, fingerprint, takeover } = request
    const entry = this.#entries.get(record)
    if (!entry) return this.#claim(request, undefined)
    if (fingerprint !== undefined && (entry.fingerprint ?? fingerprint) !== fingerprint) {
      return { state: 'mismatch' }
    }
    const { is, meta } = entry
    const now = this.#now()
    if (is.state === 'done') return { state: 'done', value: is.value, age: now - is.at, meta }
    if (is.id === id) return { state: 'claimed', token: is.token, lost: is.lost }
    if (is.leaseUntil > now) return { state: 'running', retryAfter: is.leaseUntil - now, meta }
    const lost = { startedAt: is.startedAt, fingerprint: entry.fingerprint, meta }
    return takeover === 'never' ? { state: 'lapsed', ...lost } : this.#claim(request, lost)
  }

  async renew(record: string, id: string, lease: number): Promise<boolean> {
    const entry = this.#running(record, id)
    if (!entry) return false
    entry.is.leaseUntil = this.#now() + lease
    this.#keep(record, { ...entry, expiry: Math.max(entry.expiry, entry.is.leaseUntil) })
    return true
  }

  async commit({ record, id, value, ttl, meta }: CommitRequest): Promise<boolean> {
    const entry = this.#entries.get(record)
    // The same commit again is a reply that was lost.
    if (entry?.is.state === 'done') return entry.is.id === id
    if (entry?.is.id !== id) return false
    const at = this.#now()
    const { fingerprint } = entry
    this.#keep(record, {
      fingerprint,
      meta,
      expiry: at + ttl,
      is: { state: 'done', id, value, at },
    })
    return true
  }

  async drop(record: string, id: string): Promise<boolean> {
    return this.#running(record, id) !== undefined && this.#entries.delete(record)
  }

  #claim(request: BeginRequest, lost: LostExecution | undefined): BeginReply {
    const { record, id, lease, ttl, takeover } = request
    const now = this.#now()
    const kept = takeover === 'recover' ? lost : undefined
    const time = wallClock()
    this.#token = Math.max(this.#token + 1, Math.floor(time * 1000))
    this.#keep(record, {
      fingerprint: request.fingerprint ?? lost?.fingerprint,
      meta: kept?.meta ?? request.meta,
      expiry: now + Math.max(ttl, lease),
      is: {
        state: 'running',
        id,
        token: this.#token,
        startedAt: kept?.startedAt ?? Math.floor(time),
        lost,
        leaseUntil: now + lease,
      },
    })
    return { state: 'claimed', token: this.#token, lost }
  }

  #keep(record: string, entry: Entry): void {
    this.#entries.set(record, entry, entry.expiry)
  }

  #running(record: string, id: string): (Entry & { readonly is: Claim }) | undefined {
    const entry = this.#entries.get(record)
    return entry?.is.state === 'running' && entry.is.id === id
      ? (entry as Entry & { readonly is: Claim })
      : undefined
  }
}

/** The wall clock without its steps: for display and for tokens that outgrow those of an earlier process. */
function wallClock(): number {
  return performance.timeOrigin + performance.now()
}
