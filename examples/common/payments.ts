// The list of charges that were really made: in Redis when processes share it, else in this process.
import type { Redis } from 'ioredis'
import { asked } from './backend-error.ts'

export interface Order {
  readonly orderId: string
  readonly amount: number
}

export interface Payment extends Order {
  readonly paymentId: string
}

/** A charge, as the card network knows it: with the key under which it was asked for. */
export interface Charge extends Payment {
  readonly key: string
}

export interface Payments {
  add(charge: Charge): Promise<void>
  list(): Promise<readonly Charge[]>
}

export function paymentsInMemory(): Payments {
  const charges: Charge[] = []
  return {
    add: async (charge) => void charges.push(charge),
    list: async () => charges,
  }
}

const LIST = 'demo:payments'

/** Appends, and never asks whether a charge is there already: charging twice would show. */
export function paymentsInRedis(redis: Redis): Payments {
  return {
    add: async (charge) => void (await asked(redis.rpush(LIST, JSON.stringify(charge)))),
    list: async () => (await asked(redis.lrange(LIST, 0, -1))).map((each) => JSON.parse(each)),
  }
}

/** The order in a request's body; undefined when it is none. */
export function readOrder(body: unknown): Order | undefined {
  const { orderId, amount } = (body ?? {}) as Partial<Order>
  return typeof orderId === 'string' && typeof amount === 'number' && amount > 0
    ? { orderId, amount }
    : undefined
}
