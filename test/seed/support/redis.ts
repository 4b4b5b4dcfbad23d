// The `Redis` of the examples: ioredis, always on the server of the tests.

import { RedisAdapter } from 'holdfast/redis'
import { Redis as Client, type RedisOptions } from 'ioredis'

export class Redis extends Client {
  constructor(_asked?: string | RedisOptions) {
    super(process.env.REDIS_URL ?? '', { keyPrefix: process.env.KEY_PREFIX ?? '' })
    // No example closes its client: without this, none would end by itself.
    this.on('connect', () => this.stream.unref())
  }
}

/** The adapter of the first example, which others go on with. */
export const adapter: RedisAdapter = new RedisAdapter(new Redis())
