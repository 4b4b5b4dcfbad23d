// Records in PostgreSQL: a row each, one function for each operation.
import { StoreCorruptError } from '../../core/errors.ts'
import type {
  BeginReply,
  BeginRequest,
  CommitRequest,
  LostExecution,
  Records,
} from '../../core/ports.ts'
import { packMeta, unpackMeta } from '../wire/meta.ts'
import { type Statement, statement } from './statement.ts'
import type { Store } from './store.ts'
import { packText, unpackText } from './text.ts'

/** Records in PostgreSQL. */
export class PostgresRecords implements Records {
  readonly #store: Store
  readonly #begin: Statement
  readonly #renew: Statement
  readonly #commit: Statement
  readonly #drop: Statement

  constructor(store: Store, schema: string) {
    this.#store = store
    this.#begin = statement(
      `select state, number, began, fingerprint, meta, value from ${schema}.record_begin($1, $2, $3, $4, $5, $6, $7)`,
    )
    this.#renew = statement(`select ${schema}.record_renew($1, $2, $3)`)
    this.#commit = statement(`select ${schema}.record_commit($1, $2, $3, $4, $5)`)
    this.#drop = statement(`select ${schema}.record_drop($1, $2)`)
  }

  async begin(request: BeginRequest): Promise<BeginReply> {
    const { record, id, lease, ttl, fingerprint, meta, takeover } = request
    const [state, number, began, payload, itsMeta, value] = await this.#store.call(
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
      ],
    )
    switch (state) {
      case 'claimed': {
        const lost = began ? lostExecution(began, payload, itsMeta) : undefined
        return { state, token: Number(number), lost }
      }
      case 'running':
        return { state, retryAfter: Number(number), meta: unpackMeta(itsMeta) }
      case 'lapsed':
        return { state, ...lostExecution(began, payload, itsMeta) }
      case 'mismatch':
        return { state }
      case 'done':
        return {
          state,
          value: unpackText(value ?? ''),
          age: Number(number),
          meta: unpackMeta(itsMeta),
        }
      default:
        throw new StoreCorruptError(`PostgreSQL answered something unknown about '${record}'`, {
          key: record,
        })
    }
  }

  async renew(record: string, id: string, lease: number): Promise<boolean> {
    return this.#did(this.#renew, record, [id, lease])
  }

  async commit({ record, id, value, ttl, meta }: CommitRequest): Promise<boolean> {
    return this.#did(this.#commit, record, [id, packText(value), ttl, packMeta(meta)])
  }

  async drop(record: string, id: string): Promise<boolean> {
    return this.#did(this.#drop, record, [id])
  }

  async #did(
    call: Statement,
    record: string,
    args: readonly (string | number)[],
  ): Promise<boolean> {
    const [done] = await this.#store.call(call, record, [this.#store.key(record), ...args], true)
    return done === '1'
  }
}

type Column = string | null | undefined

function lostExecution(began: Column, fingerprint: Column, meta: Column): LostExecution {
  return {
    startedAt: Number(began),
    fingerprint: typeof fingerprint === 'string' ? unpackText(fingerprint) : undefined,
    meta: unpackMeta(meta),
  }
}
