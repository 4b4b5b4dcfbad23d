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
import { Confirmations, type ConfirmationTerms } from './confirmations.ts'
import type { AskedGrant } from './grants.ts'

/** Grants of which each is confirmed by replicas, or taken back. */
export class ReplicatedGrants implements Grants {
  readonly #grants: Grants
  readonly #confirmations: Confirmations
  readonly #replicas: number
  /** The attempts that wait, and will claim what is handed over to them. */
  readonly #waiting = new Set<string>()

  constructor(grants: Grants, terms: ConfirmationTerms) {
    this.#grants = grants
    this.#confirmations = new Confirmations(terms)
    this.#replicas = terms.replicas
  }

  async acquire(request: GrantRequest): Promise<GrantReply> {
    const reply = await this.#grants.acquire(request)
    if (reply.state === 'queued') this.#waiting.add(request.id)
    if (reply.state === 'granted') await this.#confirm(request)
    return reply
  }

  async renew(resource: string, id: string, ttl: number): Promise<number | undefined> {
    const token = await this.#grants.renew(resource, id, ttl)
    // What is held already is not taken back because a replica is away.
    if (token !== undefined && this.#waiting.has(id)) await this.#confirm({ resource, id, ttl })
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

  async #confirm(grant: AskedGrant): Promise<void> {
    const { resource, id } = grant
    this.#waiting.delete(id)
    const replicas = this.#replicas
    let have = 0
    let cause: unknown
    try {
      have = await this.#confirmations.ask(grant)
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
