// Histories in PostgreSQL: a row for where each stands and one for each entry, one function for each operation.
import { StoreCorruptError } from '../../core/errors.ts'
import type { AppendRequest, Histories, HistoryEntry, HistoryReply } from '../../core/ports.ts'
import { packMeta, unpackMeta } from '../wire/meta.ts'
import { type Column, parse, type Row, type Statement, statement } from './statement.ts'
import type { Store } from './store.ts'
import { packText, unpackText } from './text.ts'

/** Histories in PostgreSQL. */
export class PostgresHistories implements Histories {
  readonly #store: Store
  readonly #open: Statement
  readonly #append: Statement
  readonly #read: Statement
  readonly #list: Statement
  readonly #trim: Statement
  readonly #remove: Statement

  constructor(store: Store, schema: string) {
    this.#store = store
    this.#open = statement(
      `select state, token, sequence, value, at, meta from ${schema}.history_open($1, $2, $3)`,
    )
    this.#append = statement(
      `select state, token, sequence from ${schema}.history_append($1, $2, $3, $4, $5, $6, $7)`,
    )
    this.#read = statement(`select sequence, value, at, meta from ${schema}.history_read($1, $2)`)
    this.#list = statement(`select ${schema}.history_list($1)`)
    this.#trim = statement(`select ${schema}.history_trim($1, $2)`)
    this.#remove = statement(`select ${schema}.history_remove($1)`)
  }

  async open(
    history: string,
    token: number,
    ttl: number,
  ): Promise<HistoryReply<{ readonly latest: HistoryEntry | undefined }>> {
    const row = await this.#store.call(this.#open, history, [this.#store.key(history), token, ttl])
    return replyOf(history, row, { latest: entryOf(row.slice(2)) })
  }

  async append(request: AppendRequest): Promise<HistoryReply> {
    const { history, token, sequence, value, keep, ttl, meta } = request
    const row = await this.#store.call(this.#append, history, [
      this.#store.key(history),
      token,
      sequence,
      packText(value),
      keep,
      ttl,
      packMeta(meta),
    ])
    return replyOf(history, row, {})
  }

  async read(history: string, sequence?: number): Promise<HistoryEntry | undefined> {
    const args = [this.#store.key(history), sequence ?? null]
    return entryOf(await this.#store.call(this.#read, history, args))
  }

  async list(history: string): Promise<readonly HistoryEntry[]> {
    const row = await this.#store.call(this.#list, history, [this.#store.key(history)])
    return parse<[string, string, string, string][]>(history, row).flatMap(
      (columns) => entryOf(columns) ?? [],
    )
  }

  async trim(history: string, keep: number): Promise<number> {
    const row = await this.#store.call(this.#trim, history, [this.#store.key(history), keep])
    return Number(row[0])
  }

  async remove(history: string): Promise<boolean> {
    const row = await this.#store.call(this.#remove, history, [this.#store.key(history)])
    return row[0] === '1'
  }
}

function replyOf<T>(history: string, [state, token, sequence]: Row, current: T): HistoryReply<T> {
  if (state === 'current') return { state, ...current }
  if (state === 'stale') {
    return { state, current: { token: Number(token), sequence: Number(sequence) } }
  }
  throw new StoreCorruptError(`PostgreSQL answered something unknown about '${history}'`, {
    key: history,
  })
}

function entryOf([sequence, value, at, meta]: readonly Column[]): HistoryEntry | undefined {
  if (typeof value !== 'string') return undefined
  return {
    sequence: Number(sequence),
    value: unpackText(value),
    at: Number(at),
    meta: unpackMeta(meta),
  }
}
