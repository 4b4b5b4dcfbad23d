// How many idempotency keys a caller may use: nobody fills the store with records, or takes others' keys before them.

import { RateLimitedError } from '../../core/errors.ts'
import type { Adapter } from '../../core/ports.ts'
import { RateLimiter } from '../../core/rate-limiter.ts'
import { digest } from './fingerprint.ts'
import { Instances } from './instances.ts'

const NAME = 'idempotency-keys'

/** A limit on the records that a caller has at a time. */
export class KeyQuota {
  readonly #most: number
  readonly #ttl: number
  readonly #limiters = new Instances<RateLimiter>()

  /** `ttl` is how long a record is kept, in milliseconds. */
  constructor(most: number, ttl: number) {
    this.#most = most
    this.#ttl = ttl
  }

  /**
   * Counts a new key of a caller.
   *
   * @throws {@link RateLimitedError} when the caller has as many as it may have
   */
  async spend(provider: Adapter, caller: string): Promise<void> {
    const limiter = this.#limiters.get(provider, NAME, () => {
      // A window admits what comes back in it and what was there at its start: the two halves of all.
      const limit = Math.floor(this.#most / 2)
      const rule = { name: NAME, limit, burst: this.#most - limit, window: this.#ttl }
      return new RateLimiter({ provider, key: NAME, name: NAME, rules: [rule] })
    })
    const { allowed, retryAfter, standings } = await limiter.consume({
      key: await digest([caller]),
    })
    if (allowed) return
    throw new RateLimitedError(`The caller has used ${this.#most} keys within ${this.#ttl} ms`, {
      retryAfter,
      standings,
    })
  }
}
