// Grants that are given out only when enough replicas have them.
import { StoreUnavailableError } from '../../core/errors.ts'
import type {
  BeatReply,
  GrantReply,
  GrantRequest,
  Grants,
  Inbox,
  ResourceView,
} from '../../core/ports.ts'
import type { RedisGrants } from './grants.ts'

/** How grants are confirmed. */
export interface Confirmation {
  /** Grants over a connection of their own: whoever waits for replicas keeps nobody else waiting. */
  readonly over: RedisGrants
  /** How many replicas must have a grant. */
  readonly replicas: number
  /** The deadline of a call, in milliseconds. */
  readonly deadline: number
}

/** Grants of which each is confirmed by replicas, or taken back. */
export class ReplicatedGrants implements Grants {
  readonly #grants: Grants
  readonly #confirmation: Confirmation
  /** The attempts that wait, and will claim what is handed over to them. */
  readonly #waiting = new Set<string>()

  constructor(grants: Grants, confirmation: Confirmation) {
    this.#grants = grants
    this.#confirmation = confirmation
  }

  async acquire(request: GrantRequest): Promise<GrantReply> {
    const { resource, id, ttl } = request
    const reply = await this.#grants.acquire(request)
    if (reply.state === 'queued') this.#waiting.add(id)
    if (reply.state === 'granted') await this.#confirm(resource, id, ttl)
    return reply
  }

  async renew(resource: string, id: string, ttl: number): Promise<number | undefined> {
    const token = await this.#grants.renew(resource, id, ttl)
    // What is held already is not taken back because a replica is away.
    if (token !== undefined && this.#waiting.has(id)) await this.#confirm(resource, id, ttl)
    return token
  }

  release(resource: string, id: string): Promise<boolean> {
    this.#waiting.delete(id)
    return this.#grants.release(resource, id)
  }

  beat(resource: string, inbox: Inbox, ids: readonly string[]): Promise<BeatReply> {
    return this.#grants.beat(resource, inbox, ids)
  }

  inspect(resource: string): Promise<ResourceView> {
    return this.#grants.inspect(resource)
  }

  async #confirm(resource: string, id: string, ttl: number): Promise<void> {
    const { over, replicas, deadline } = this.#confirmation
    this.#waiting.delete(id)
    // Half of what the caller's call may take: the rest is for taking it back.
    const patience = Math.min(deadline, ttl / 3) / 2
    let have = 0
    let cause: unknown
    try {
      have = await over.replicate(resource, id, ttl, { replicas, patience })
    } catch (error) {
      cause = error
    }
    if (have >= replicas) return
    const message = `'${resource}' was granted and taken back: ${have} of ${replicas} replicas had it`
    try {
      await this.#grants.release(resource, id)
    } catch (error) {
      throw new StoreUnavailableError(message, { key: resource, outcome: 'unknown', cause: error })
    }
    throw new StoreUnavailableError(message, { key: resource, outcome: 'none', cause })
  }
}
