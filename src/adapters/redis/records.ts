// Records in Redis: one hash each, one script for each operation.
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
import beginText from './lua/begin.lua' with { type: 'text' }
import commitText from './lua/commit.lua' with { type: 'text' }
import dropText from './lua/drop.lua' with { type: 'text' }
import putText from './lua/put.lua' with { type: 'text' }
import renewText from './lua/record-renew.lua' with { type: 'text' }
import removeText from './lua/remove.lua' with { type: 'text' }
import { type Argument, Script } from './script.ts'
import type { Store } from './store.ts'

const begin = new Script(beginText)
const renew = new Script(renewText, { frees: true })
const commit = new Script(commitText)
const drop = new Script(dropText, { frees: true })
const put = new Script(putText)
const remove = new Script(removeText, { frees: true })

const PART = 'i'
const RECORD = [PART]

/** Records in Redis. */
export class RedisRecords implements Records {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async begin(request: BeginRequest): Promise<BeginReply> {
    const { record, id, lease, ttl, fingerprint = '', meta, takeover, waits } = request
    const args = [id, lease, ttl, fingerprint, packMeta(meta), takeover, waits ? 1 : 0]
    const [state, ...rest] = (await this.#store.run(begin, record, RECORD, args)) as string[]
    switch (state) {
      case 'claimed': {
        const [token, began = '', payload, lostMeta, ...stale] = rest
        const lost = began === '' ? undefined : lostExecution(began, payload, lostMeta)
        return { state, token: Number(token), lost, stale: staleOutcome(stale) }
      }
      case 'running': {
        const [left, meta, ...stale] = rest
        return {
          state,
          retryAfter: Number(left),
          meta: unpackMeta(meta),
          stale: staleOutcome(stale),
        }
      }
      case 'lapsed':
        return { state, ...lostExecution(rest[0] ?? '', rest[1], rest[2]) }
      case 'mismatch':
        return { state }
      case 'done':
        return { state, ...outcome(rest) }
      default:
        throw new StoreCorruptError(`Redis answered something unknown about '${record}'`, {
          key: record,
        })
    }
  }

  async renew(record: string, id: string, lease: number, meta?: Meta): Promise<boolean> {
    return this.#held(renew, record, [id, lease, ...(meta ? [packMeta(meta)] : [])])
  }

  async commit(request: CommitRequest): Promise<boolean> {
    return this.#held(commit, request.record, [request.id, ...this.#kept(request)])
  }

  async drop(record: string, id: string, notice?: Notice): Promise<boolean> {
    return this.#held(drop, record, [id, ...this.#told(notice)])
  }

  async put(request: PutRequest): Promise<void> {
    await this.#store.run(put, request.record, RECORD, this.#kept(request))
  }

  async remove(record: string, notice?: Notice): Promise<boolean> {
    return this.#held(remove, record, this.#told(notice))
  }

  async clear(prefix: string, notice?: Notice): Promise<void> {
    await this.#store.removeAll(prefix, PART)
    if (notice) await this.#store.publish(notice.channel, notice.text)
  }

  async #held(script: Script, record: string, args: readonly Argument[]): Promise<boolean> {
    return Number(await this.#store.run(script, record, RECORD, args)) === 1
  }

  #kept({ value, ttl, freshFor, meta, notice }: PutRequest): Argument[] {
    return [value, ttl, freshFor ?? '', packMeta(meta), ...this.#told(notice)]
  }

  #told(notice: Notice | undefined): Argument[] {
    return notice ? [this.#store.channel(notice.channel), notice.text] : ['', '']
  }
}

function lostExecution(
  began: string,
  fingerprint: string | undefined,
  meta: string | undefined,
): LostExecution {
  return {
    startedAt: Number(began),
    fingerprint: fingerprint === '' ? undefined : fingerprint,
    meta: unpackMeta(meta),
  }
}

function outcome([value = '', age, meta]: readonly string[]): Outcome {
  return { value, age: Number(age), meta: unpackMeta(meta) }
}

function staleOutcome(fields: readonly string[]): Outcome | undefined {
  return fields.length === 0 ? undefined : outcome(fields)
}
