// Records in PostgreSQL: a row each, one function for each operation.
import { StoreCorruptError } from '../../core/errors.ts'
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
import { packMeta, unpackMeta } from '../wire/meta.ts'
import { type Argument, type Column, type Statement, statement } from './statement.ts'
import type { Store } from './store.ts'
import { packText, unpackText } from './text.ts'

/** How many records are removed by one statement. */
const CLEARED_AT_ONCE = 300

/** Records in PostgreSQL. */
export class PostgresRecords implements Records {
  readonly #store: Store
  readonly #begin: Statement
  readonly #renew: Statement
  readonly #commit: Statement
  readonly #drop: Statement
  readonly #put: Statement
  readonly #remove: Statement
  readonly #clear: Statement

  constructor(store: Store, schema: string) {
    this.#store = store
    this.#begin = statement(
      `select state, number, began, fingerprint, meta, value, age, kept_meta from ${schema}.record_begin($1, $2, $3, $4, $5, $6, $7, $8)`,
    )
    this.#renew = statement(`select ${schema}.record_renew($1, $2, $3, $4)`)
    this.#commit = statement(`select ${schema}.record_commit($1, $2, $3, $4, $5, $6, $7, $8)`)
    this.#drop = statement(`select ${schema}.record_drop($1, $2, $3, $4)`)
    this.#put = statement(`select ${schema}.record_put($1, $2, $3, $4, $5, $6, $7)`)
    this.#remove = statement(`select ${schema}.record_remove($1, $2, $3)`)
    this.#clear = statement(`select ${schema}.record_clear($1, $2, $3, $4, $5)`)
  }

  async begin(request: BeginRequest): Promise<BeginReply> {
    const { record, id, lease, ttl, fingerprint, meta, takeover, waits = false } = request
    const [state, number, began, payload, itsMeta, ...rest] = await this.#store.call(
      this.#begin,
      record,
      [
        this.#store.key(record),
        id,
        lease,
        ttl,
        fingerprint === undefined ? null : packText(fingerprint),
        packMeta(meta),
        takeover,
        waits,
      ],
    )
    const outcome = outcomeOf(rest)
    switch (state) {
      case 'claimed': {
        const lost = began ? lostExecution(began, payload, itsMeta) : undefined
        return { state, token: Number(number), lost, stale: outcome }
      }
      case 'running':
        return { state, retryAfter: Number(number), meta: unpackMeta(itsMeta), stale: outcome }
      case 'lapsed':
        return { state, ...lostExecution(began, payload, itsMeta) }
      case 'mismatch':
        return { state }
      case 'done':
        if (outcome) return { state, ...outcome }
    }
    throw new StoreCorruptError(`PostgreSQL answered something unknown about '${record}'`, {
      key: record,
    })
  }

  async renew(record: string, id: string, lease: number, meta?: Meta): Promise<boolean> {
    return this.#did(this.#renew, record, [id, lease, meta ? packMeta(meta) : null])
  }

  async commit(request: CommitRequest): Promise<boolean> {
    const [done] = await this.#store.call(...this.commitCall(request), true)
    return done === '1'
  }

  /** The call that commits: for the store's own clients or one of the user's. */
  commitCall(request: CommitRequest): [Statement, string, readonly Argument[]] {
    const { record, id } = request
    return [this.#commit, record, [this.#store.key(record), id, ...this.#kept(request)]]
  }

  async drop(record: string, id: string, notice?: Notice): Promise<boolean> {
    return this.#did(this.#drop, record, [id, ...this.#told(notice)])
  }

  async put(request: PutRequest): Promise<void> {
    await this.#did(this.#put, request.record, this.#kept(request))
  }

  async remove(record: string, notice?: Notice): Promise<boolean> {
    return this.#did(this.#remove, record, this.#told(notice))
  }

  async clear(prefix: string, notice?: Notice): Promise<void> {
    const [start, end] = this.#store.range(prefix)
    for (let after: Column = start; typeof after === 'string'; ) {
      const args: Argument[] = [after, end, CLEARED_AT_ONCE, ...this.#told(notice)]
      const [last] = await this.#store.call(this.#clear, prefix, args)
      after = last
    }
  }

  async #did(call: Statement, record: string, args: readonly Argument[]): Promise<boolean> {
    const [done] = await this.#store.call(call, record, [this.#store.key(record), ...args], true)
    return done === '1'
  }

  #kept({ value, ttl, freshFor, meta, notice }: PutRequest): readonly Argument[] {
    return [packText(value), ttl, freshFor ?? null, packMeta(meta), ...this.#told(notice)]
  }

  #told(notice: Notice | undefined): readonly Argument[] {
    return notice ? [this.#store.channel(notice.channel), notice.text] : [null, null]
  }
}

function outcomeOf([value, age, meta]: readonly Column[]): Outcome | undefined {
  if (typeof value !== 'string') return undefined
  return { value: unpackText(value), age: Number(age), meta: unpackMeta(meta) }
}

function lostExecution(began: Column, fingerprint: Column, meta: Column): LostExecution {
  return {
    startedAt: Number(began),
    fingerprint: typeof fingerprint === 'string' ? unpackText(fingerprint) : undefined,
    meta: unpackMeta(meta),
  }
}
