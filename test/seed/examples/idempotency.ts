import { scope } from 'holdfast'
import type { IdempotencyProvider } from 'holdfast'
import { RedisIdempotencyAdapter } from 'holdfast/redis'
import { Redis } from 'test-server'

const redis = new Redis()
const idempotency = new RedisIdempotencyAdapter(redis)
await using s = scope()
// Register idempotent operation
const [err, result] = await s.task(
  async () => {
    // This function will only execute once per requestId
    await chargeCard(orderId, amount)
    return { charged: true, amount }
  },
  {
    idempotency: {
      provider: idempotency,
      key: `payment:${requestId}`,
      ttl: 86400000 // 24 hours
    }
  }
)
if (err) {
  console.error('Payment failed:', err)
} else {
  console.log('Payment result:', result)
}
