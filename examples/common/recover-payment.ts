// Finds out what became of a payment whose process died, instead of charging again.
import type { Resolution } from 'holdfast'
import type { StoredAnswer } from 'holdfast/express'
import type { Payments } from './payments.ts'

/** Answers as the handler would have, if the card was charged; else the payment may run again. */
export async function recoverPayment(
  payments: Payments,
  key: string,
): Promise<Resolution<StoredAnswer>> {
  const charge = (await payments.list()).find((each) => each.key === key)
  if (!charge) return { retry: true }
  const { paymentId, orderId, amount } = charge
  return {
    value: {
      status: 201,
      headers: [['content-type', 'application/json; charset=utf-8']],
      body: JSON.stringify({ paymentId, orderId, amount }),
    },
  }
}
