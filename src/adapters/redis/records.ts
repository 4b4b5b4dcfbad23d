// Records in Redis: one hash each, one script for each operation.
import { StoreCorruptError } from '../../core/errors.ts'
import type { BeginReply, BeginRequest, CommitRequest, Records } from '../../core/ports.ts'
import { packMeta, unpackMeta } from '../wire/meta.ts'
import beginText from './lua/begin.lua' with { type: 'text' }
import commitText from './lua/commit.lua' with { type: 'text' }
import dropText from './lua/drop.lua' with { type: 'text' }
import renewText from './lua/record-renew.lua' with { type: 'text' }
import { Script } from './script.ts'
import type { Store } from './store.ts'

const begin = new Script(beginText)
const renew = new Script(renewText, { frees: true })
const commit = new Script(commitText)
const drop = new Script(dropText, { frees: true })

const RECORD = ['i']

/** Records in Redis. */
export class RedisRecords implements Records {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async begin(request: BeginRequest): Promise<BeginReply> {
    const { record, id, lease, ttl, fingerprint = '', meta, takeover } = request
    const args = [id, lease, ttl, fingerprint, packMeta(meta), takeover]
    const [state, ...rest] = (await this.#store.run(begin, record, RECORD, args)) as string[]
    switch (state) {
      case 'claimed': {
        const [token, began = '', payload, lostMeta] = rest
        const lost = began === '' ? undefined : lostExecution(began, payload, lostMeta)
        return { state, token: Number(token), lost }
      }
      case 'running':
        return { state, retryAfter: Number(rest[0]), meta: unpackMeta(rest[1]) }
      case 'lapsed':
        return { state, ...lostExecution(rest[0] ?? '', rest[1], rest[2]) }
      case 'mismatch':
        return { state }
      case 'done':
        return { state, value: rest[0] ?? '', age: Number(rest[1]), meta: unpackMeta(rest[2]) }
      default:
        throw new StoreCorruptError(`Redis answered something unknown about '${record}'`, {
          key: record,
        })
    }
  }

  async renew(record: string, id: string, lease: number): Promise<boolean> {
    return (await this.#store.run(renew, record, RECORD, [id, lease])) === 1
  }

  async commit({ record, id, value, ttl, meta }: CommitRequest): Promise<boolean> {
    return (await this.#store.run(commit, record, RECORD, [id, value, ttl, packMeta(meta)])) === 1
  }

  async drop(record: string, id: string): Promise<boolean> {
    return (await this.#store.run(drop, record, RECORD, [id])) === 1
  }
}

function lostExecution(began: string, fingerprint: string | undefined, meta: string | undefined) {
  return {
    startedAt: Number(began),
    fingerprint: fingerprint === '' ? undefined : fingerprint,
    meta: unpackMeta(meta),
  }
}
