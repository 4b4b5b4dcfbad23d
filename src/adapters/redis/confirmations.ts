// How many replicas have a grant: asked for one lot of grants at a time, because whoever waits for replicas keeps the connection.
import type { AskedGrant, RedisGrants } from './grants.ts'

/** How replicas are asked. */
export interface ConfirmationTerms {
  /** Grants over a connection of their own: whoever waits for replicas keeps nobody else waiting. */
  readonly over: RedisGrants
  /** How many replicas must have a grant. */
  readonly replicas: number
  /** The deadline of a call, in milliseconds. */
  readonly deadline: number
}

/** Grants that are asked for together. */
interface Lot {
  readonly grants: AskedGrant[]
  readonly answer: Promise<readonly number[]>
}

/** Those who come while replicas are waited for share the next wait, however many they are. */
export class Confirmations {
  readonly #terms: ConfirmationTerms
  #next: Lot | undefined
  #before: Promise<unknown> = Promise.resolve()

  constructor(terms: ConfirmationTerms) {
    this.#terms = terms
  }

  /** Renews a grant and answers how many replicas have it; none when it is not held any more. */
  async ask(grant: AskedGrant): Promise<number> {
    this.#next ??= this.#lot()
    const { grants, answer } = this.#next
    const place = grants.push(grant) - 1
    return (await answer)[place] ?? 0
  }

  #lot(): Lot {
    const { over, replicas, deadline } = this.#terms
    const grants: AskedGrant[] = []
    const answer = this.#before.then(() => {
      this.#next = undefined
      // A third of what the least patient caller's call may take: as long again was for the lot before, and is for
      // taking the grant back.
      const patience = Math.min(...grants.map(({ ttl }) => Math.min(deadline, ttl / 3))) / 3
      return over.replicate(grants, { replicas, patience })
    })
    this.#before = answer.catch(() => {})
    return { grants, answer }
  }
}
