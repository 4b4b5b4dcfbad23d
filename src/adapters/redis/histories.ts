// Histories in Redis: one hash each, one script for each operation.
import type {
  AppendRequest,
  Histories,
  HistoryEntry,
  HistoryMark,
  HistoryReply,
} from '../../core/ports.ts'
import { packMeta, unpackMeta } from '../wire/meta.ts'
import appendText from './lua/history-append.lua' with { type: 'text' }
import openText from './lua/history-open.lua' with { type: 'text' }
import readText from './lua/history-read.lua' with { type: 'text' }
import removeText from './lua/history-remove.lua' with { type: 'text' }
import trimText from './lua/history-trim.lua' with { type: 'text' }
import { type Argument, Script } from './script.ts'
import type { Store } from './store.ts'

const open = new Script(openText)
const append = new Script(appendText)
const read = new Script(readText)
const trim = new Script(trimText, { frees: true })
const remove = new Script(removeText, { frees: true })

const HISTORY = ['h']

type Fields = readonly (string | number)[]

/** Histories in Redis. */
export class RedisHistories implements Histories {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async open(
    history: string,
    token: number,
    ttl: number,
  ): Promise<HistoryReply<{ readonly latest: HistoryEntry | undefined }>> {
    const [current, ...fields] = await this.#run<Fields>(open, history, [token, ttl])
    if (Number(current) === 0) return { state: 'stale', current: mark(fields) }
    return { state: 'current', latest: fields.length === 0 ? undefined : entry(fields) }
  }

  async append(request: AppendRequest): Promise<HistoryReply> {
    const { history, token, sequence, value, meta, keep, ttl } = request
    const args = [token, sequence, value, packMeta(meta), keep, ttl]
    const [current, ...fields] = await this.#run<Fields>(append, history, args)
    return Number(current) === 0 ? { state: 'stale', current: mark(fields) } : { state: 'current' }
  }

  async read(history: string, sequence?: number): Promise<HistoryEntry | undefined> {
    const [found] = await this.#run<Fields[]>(read, history, [sequence ?? 'latest'])
    return found && entry(found)
  }

  async list(history: string): Promise<readonly HistoryEntry[]> {
    return (await this.#run<Fields[]>(read, history, ['all'])).map(entry)
  }

  async trim(history: string, keep: number): Promise<number> {
    return Number(await this.#run(trim, history, [keep]))
  }

  async remove(history: string): Promise<boolean> {
    return Number(await this.#run(remove, history, [])) === 1
  }

  #run<T>(script: Script, history: string, args: readonly Argument[]): Promise<T> {
    return this.#store.run(script, history, HISTORY, args) as Promise<T>
  }
}

function entry([sequence, value, at, meta]: Fields): HistoryEntry {
  return {
    sequence: Number(sequence),
    value: String(value),
    at: Number(at),
    meta: unpackMeta(meta),
  }
}

function mark([token, sequence]: Fields): HistoryMark {
  return { token: Number(token), sequence: Number(sequence) }
}
