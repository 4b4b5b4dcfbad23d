// Grants in Redis: one script for each operation.
import { StoreCorruptError } from '../../core/errors.ts'
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
import acquireText from './lua/acquire.lua' with { type: 'text' }
import beatText from './lua/beat.lua' with { type: 'text' }
import inspectText from './lua/inspect.lua' with { type: 'text' }
import releaseText from './lua/release.lua' with { type: 'text' }
import renewText from './lua/renew.lua' with { type: 'text' }
import { Script } from './script.ts'
import type { ReplicaWait, Store } from './store.ts'

const acquire = new Script(acquireText)
const renew = new Script(renewText, { frees: true })
const release = new Script(releaseText, { frees: true })
const beat = new Script(beatText, { frees: true })
const inspect = new Script(inspectText)

const TWO_HOURS = 7_200_000
const RESOURCE = ['r', 'q', 'w']

/** A grant that replicas are asked for. */
export interface AskedGrant {
  readonly resource: string
  readonly id: string
  readonly ttl: number
}

/** How long the key of an idle resource is kept: it carries the fence. */
function keep(ttl: number): number {
  return Math.max(TWO_HOURS, 2 * ttl)
}

/** Resources in Redis. */
export class RedisGrants implements Grants {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async acquire(request: GrantRequest): Promise<GrantReply> {
    const { resource, id, ttl, weight, capacity, exclusive, wait, inbox, meta, arrival } = request
    const [state, ...rest] = (await this.#store.run(acquire, resource, RESOURCE, [
      ...this.#store.surroundings,
      id,
      ttl,
      weight,
      capacity,
      exclusive ? 1 : 0,
      wait ? 1 : 0,
      inbox.id,
      inbox.listening ? 1 : 0,
      packMeta(meta),
      arrival ?? '',
      keep(ttl),
    ])) as [number, ...(string | number)[]]
    if (state === 1) return { state: 'granted', token: Number(rest[0]) }
    const [hint, waiters, place, holder] = rest
    return {
      state: state === 2 ? 'queued' : 'busy',
      hint: Number(hint),
      waiters: Number(waiters),
      arrival: place === '' ? undefined : Number(place),
      holder: unpackMeta(holder),
    }
  }

  async renew(resource: string, id: string, ttl: number): Promise<number | undefined> {
    const token = await this.#store.run(renew, resource, ['r'], [id, ttl, keep(ttl)])
    return token === null ? undefined : Number(token)
  }

  /** Renews several, and answers how many replicas have each then; none of one that is not held. */
  async replicate(grants: readonly AskedGrant[], wait: ReplicaWait): Promise<readonly number[]> {
    const calls = grants.map(({ resource, id, ttl }) => {
      return { name: resource, parts: ['r'], args: [id, ttl, keep(ttl)] }
    })
    const [tokens, replicas] = await this.#store.replicate(renew, calls, wait)
    return tokens.map((token) => (token === null ? 0 : replicas))
  }

  async release(resource: string, id: string): Promise<boolean> {
    const args = [...this.#store.surroundings, id, TWO_HOURS]
    return Number(await this.#store.run(release, resource, RESOURCE, args)) === 1
  }

  async beat(resource: string, inbox: Inbox, ids: readonly string[]): Promise<BeatReply> {
    const [hint, granted, unknown] = (await this.#store.run(beat, resource, RESOURCE, [
      ...this.#store.surroundings,
      inbox.id,
      inbox.listening ? 1 : 0,
      TWO_HOURS,
      ...ids,
    ])) as [number, string[], string[]]
    // It is read when nobody waits for it who could be told.
    if (Array.isArray(granted) && Array.isArray(unknown)) {
      return { hint: Number(hint), granted, unknown }
    }
    throw new StoreCorruptError(`Redis answered something unknown about '${resource}'`, {
      key: resource,
    })
  }

  async inspect(resource: string): Promise<ResourceView> {
    const [holders, waiters] = (await this.#store.run(inspect, resource, RESOURCE, [])) as [
      [string, number, string, number, string, string][],
      [string, number, string, string][],
    ]
    return {
      holders: holders.map(([id, weight, exclusive, remaining, token, meta]) => ({
        ...view(id, weight, exclusive, meta),
        remaining: Number(remaining),
        token: Number(token),
      })),
      waiters: waiters.map(([id, weight, exclusive, meta]) => view(id, weight, exclusive, meta)),
    }
  }
}

function view(id: string, weight: number, exclusive: string, meta: string): GrantView {
  return { id, weight: Number(weight), exclusive: exclusive === '1', meta: unpackMeta(meta) }
}
