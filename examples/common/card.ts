// The card network: charging takes 150 ms, and the card is charged before the answer arrives.

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { trace } from '@opentelemetry/api'
import type { Order, Payment, Payments } from './payments.ts'

/** Charges a card; `key` is what the charge can be found by when the caller did not live to see the answer. */
export function chargeCard(payments: Payments, order: Order, key: string): Promise<Payment> {
  return trace.getTracer('payments').startActiveSpan('charge card', async (span) => {
    try {
      await sleep(50)
      const payment = { paymentId: `pay_${randomUUID().slice(0, 8)}`, ...order }
      await payments.add({ ...payment, key })
      // Whoever dies from here on has charged the card, and nobody was told.
      await sleep(100)
      return payment
    } finally {
      span.end()
    }
  })
}
