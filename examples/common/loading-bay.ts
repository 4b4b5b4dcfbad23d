// The loading bay, where one order is shipped by one request at a time: a counter would notice a second one.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { asked } from './backend-error.ts'

/** Counts who is in the bay of an order. */
interface Turnstile {
  enter(orderId: string): Promise<number>
  leave(orderId: string): Promise<unknown>
}

const LOADING = 200

export class LoadingBay {
  readonly #turnstile: Turnstile

  constructor(redis: Redis | undefined) {
    this.#turnstile = redis ? turnstileInRedis(redis) : turnstileInMemory()
  }

  /** Ships an order; throws when somebody else ships it at the same time, which the lock must prevent. */
  async ship(orderId: string): Promise<void> {
    const inside = await this.#turnstile.enter(orderId)
    try {
      await sleep(LOADING)
      if (inside > 1) throw new Error(`VIOLATION: ${inside} requests ship order ${orderId} at once`)
    } finally {
      await this.#turnstile.leave(orderId)
    }
  }
}

function turnstileInMemory(): Turnstile {
  const inside = new Map<string, number>()
  const turn = async (orderId: string, by: number): Promise<number> => {
    const now = (inside.get(orderId) ?? 0) + by
    if (now === 0) inside.delete(orderId)
    else inside.set(orderId, now)
    return now
  }
  return { enter: (orderId) => turn(orderId, 1), leave: (orderId) => turn(orderId, -1) }
}

function turnstileInRedis(redis: Redis): Turnstile {
  const turn = async (orderId: string, by: number): Promise<number> => {
    const key = `demo:shipping:${orderId}`
    // It expires, so that a process that dies in the bay does not count for ever.
    const replies = await asked(
      redis
        .multi()
        .incrby(key, by)
        .pexpire(key, LOADING * 5)
        .exec(),
    )
    return Number(replies?.[0]?.[1])
  }
  return { enter: (orderId) => turn(orderId, 1), leave: (orderId) => turn(orderId, -1) }
}
