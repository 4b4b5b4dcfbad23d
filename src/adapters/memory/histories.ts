// Histories in the memory of this process.
import type {
  AppendRequest,
  Histories,
  HistoryEntry,
  HistoryMark,
  HistoryReply,
} from '../../core/ports.ts'
import { ExpiringMap } from './expiring-map.ts'

interface History {
  readonly token: number
  /** By growing sequence. */
  readonly entries: readonly HistoryEntry[]
}

const EMPTY: History = { token: 0, entries: [] }

/** Histories by name, each gone when its time is over. */
export class MemoryHistories implements Histories {
  readonly #histories: ExpiringMap<History>
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
    this.#histories = new ExpiringMap(now)
  }

  async open(
    name: string,
    token: number,
    ttl: number,
  ): Promise<HistoryReply<{ readonly latest: HistoryEntry | undefined }>> {
    const history = this.#get(name)
    if (token < history.token) return stale(history)
    this.#set(name, { ...history, token }, ttl)
    return { state: 'current', latest: history.entries.at(-1) }
  }

  async append(request: AppendRequest): Promise<HistoryReply> {
    const { history: name, token, sequence, value, keep, ttl, meta } = request
    const history = this.#get(name)
    const current = markOf(history)
    if (token < current.token || (token === current.token && sequence < current.sequence)) {
      return stale(history)
    }
    const entry = { sequence, value, at: Date.now(), meta }
    const before = history.entries.filter((each) => each.sequence < sequence)
    this.#set(name, { token, entries: [...before, entry].slice(-keep) }, ttl)
    return { state: 'current' }
  }

  async read(name: string, sequence?: number): Promise<HistoryEntry | undefined> {
    const { entries } = this.#get(name)
    return sequence === undefined
      ? entries.at(-1)
      : entries.find((entry) => entry.sequence === sequence)
  }

  async list(name: string): Promise<readonly HistoryEntry[]> {
    return this.#get(name).entries.toReversed()
  }

  async trim(name: string, keep: number): Promise<number> {
    const history = this.#get(name)
    const entries = history.entries.slice(
      history.entries.length - Math.min(keep, history.entries.length),
    )
    this.#histories.replace(name, { ...history, entries })
    return history.entries.length - entries.length
  }

  async remove(name: string): Promise<boolean> {
    return this.#histories.get(name) !== undefined && this.#histories.delete(name)
  }

  #get(name: string): History {
    return this.#histories.get(name) ?? EMPTY
  }

  #set(name: string, history: History, ttl: number): void {
    this.#histories.set(name, history, this.#now() + ttl)
  }
}

function markOf({ token, entries }: History): HistoryMark {
  return { token, sequence: entries.at(-1)?.sequence ?? -1 }
}

function stale(history: History): { readonly state: 'stale'; readonly current: HistoryMark } {
  return { state: 'stale', current: markOf(history) }
}
