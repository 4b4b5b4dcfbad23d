import { scope, CircuitBreaker } from 'holdfast'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'test-server'

const redis = new Redis()
const adapter = new RedisAdapter(redis)
// Circuit breaker with distributed state
const breaker = new CircuitBreaker({
  failureThreshold: 5,
  resetTimeout: 60000,
  halfOpenRequests: 3,
  stateProvider: adapter, // Share state across instances
  key: 'breaker:external-api'
})
await using s = scope()
// All instances share the same circuit breaker state
const [err, result] = await s.task(
  () => fetch('https://external-api.com/data').then(r => r.json()),
  { circuitBreaker: breaker, timeout: 5000 }
)
if (err) {
  console.error('Circuit breaker is open or request failed')
}
while (breaker.state === 'closed') await s.task(() => fetch('https://external-api.com/data'), { circuitBreaker: breaker })
