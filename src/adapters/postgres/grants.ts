// Grants in PostgreSQL: one function for each operation.
import type {
  BeatReply,
  GrantReply,
  GrantRequest,
  Grants,
  GrantView,
  Inbox,
  ResourceView,
} from '../../core/ports.ts'
import { packMeta, unpackMeta } from '../wire/meta.ts'
import { parse, relaxed, type Statement, statement } from './statement.ts'
import type { Store } from './store.ts'

/** Whether a commit waits until it is on disk. */
export type Durability = 'durable' | 'relaxed'

/** Resources in PostgreSQL. */
export class PostgresGrants implements Grants {
  readonly #store: Store
  readonly #acquire: Statement
  readonly #renew: Statement
  readonly #release: Statement
  readonly #beat: Statement
  readonly #inspect: Statement

  constructor(store: Store, schema: string, durability: Durability) {
    this.#store = store
    const change = (call: string): Statement =>
      durability === 'relaxed' ? relaxed(call) : statement(`select ${call}`)
    this.#acquire = change(`${schema}.grant_acquire($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`)
    this.#renew = change(`${schema}.grant_renew($1, $2, $3)`)
    // A crash may undo these without harm: a grant that comes back ends by its ttl, and a hand-off is on disk with its
    // claim, which nobody relies on earlier.
    this.#release = relaxed(`${schema}.grant_release($1, $2)`)
    this.#beat = relaxed(`${schema}.grant_beat($1, $2, $3, $4)`)
    this.#inspect = statement(`select ${schema}.grant_inspect($1)`)
  }

  async acquire(request: GrantRequest): Promise<GrantReply> {
    const { resource, id, ttl, weight, capacity, exclusive, wait, inbox, meta, arrival } = request
    const row = await this.#store.call(this.#acquire, resource, [
      this.#store.key(resource),
      id,
      ttl,
      weight,
      capacity,
      exclusive,
      wait,
      this.#store.channel(inbox.id),
      inbox.listening,
      packMeta(meta),
      arrival ?? null,
    ])
    const [state, ...rest] = parse<[number, ...(number | string | null)[]]>(resource, row)
    if (state === 1) return { state: 'granted', token: Number(rest[0]) }
    const [hint, waiters, place, holder] = rest
    return {
      state: state === 2 ? 'queued' : 'busy',
      hint: Number(hint),
      waiters: Number(waiters),
      arrival: place === null ? undefined : Number(place),
      holder: holder === null ? undefined : unpackMeta(holder),
    }
  }

  async renew(resource: string, id: string, ttl: number): Promise<number | undefined> {
    const args = [this.#store.key(resource), id, ttl]
    const [token] = await this.#store.call(this.#renew, resource, args, true)
    return token === null || token === undefined ? undefined : Number(token)
  }

  async release(resource: string, id: string): Promise<boolean> {
    const args = [this.#store.key(resource), id]
    const [held] = await this.#store.call(this.#release, resource, args, true)
    return held === '1'
  }

  async beat(resource: string, inbox: Inbox, ids: readonly string[]): Promise<BeatReply> {
    const args = [this.#store.key(resource), this.#store.channel(inbox.id), inbox.listening, ids]
    const row = await this.#store.call(this.#beat, resource, args, true)
    const [hint, granted, unknown] = parse<[number, string[], string[]]>(resource, row)
    return { hint, granted, unknown }
  }

  async inspect(resource: string): Promise<ResourceView> {
    const row = await this.#store.call(this.#inspect, resource, [this.#store.key(resource)])
    const [holders, waiters] = parse<
      [[string, number, boolean, number, number, string][], [string, number, boolean, string][]]
    >(resource, row)
    return {
      holders: holders.map(([id, weight, exclusive, remaining, token, meta]) => ({
        ...view(id, weight, exclusive, meta),
        remaining,
        token,
      })),
      waiters: waiters.map(([id, weight, exclusive, meta]) => view(id, weight, exclusive, meta)),
    }
  }
}

function view(id: string, weight: number, exclusive: boolean, meta: string): GrantView {
  return { id, weight, exclusive, meta: unpackMeta(meta) }
}
