import { scope, Lock } from 'holdfast'
import { adapter } from 'test-server'

// Example: Ensure only one instance processes a payment
async function processPayment(orderId: string) {
  await using s = scope()
  const lock = new Lock(s.signal, {
    provider: adapter,
    key: `payment:${orderId}`,
    ttl: 60000 // 1 minute
  })
  // Try to acquire lock with timeout
  const [err] = await s.task(
    async () => {
      await using guard = await lock.acquire({ timeout: 2000 })
      // Check if already processed
      const payment = await db.query(
        'SELECT * FROM payments WHERE order_id = ?',
        [orderId]
      )
      if (payment.status === 'completed') {
        console.log('Payment already processed')
        return
      }
      // Process payment
      await chargeCard(payment.amount, payment.cardToken)
      await db.query(
        'UPDATE payments SET status = ? WHERE order_id = ?',
        ['completed', orderId]
      )
    }
  )
  if (err) {
    console.error('Failed to acquire lock:', err.message)
    throw new Error('Payment is being processed by another instance')
  }
}
await processPayment('42')
