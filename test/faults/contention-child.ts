// Contends for one lock on Redis with several callers of one process, and tells of every grant.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { Lock } from 'holdfast'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { argument, hear, tell } from '../support/parent.ts'

interface Order {
  readonly url: string
  readonly prefix: string
  readonly contenders: number
  readonly hold: number
}

const { url, prefix, contenders, hold } = argument<Order>()
const spans = new InMemorySpanExporter()
trace.setGlobalTracerProvider(
  new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] }),
)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

const redis = new Redis(url)
const provider = new RedisAdapter(redis, { keyPrefix: prefix })
const lock = new Lock(undefined, { provider, key: 'contended' })
await provider.connect()
tell('ready')
const { until } = await hear<{ type: string; until: number }>('go')

const delay = monitorEventLoopDelay()
delay.enable()
const grants = Array.from({ length: contenders }, () => 0)
const waits: number[] = []
let overlaps = 0
await Promise.all(
  grants.map(async (_none, contender) => {
    while (Date.now() < until) {
      const asked = performance.now()
      await using _held = await lock.acquire()
      waits.push(performance.now() - asked)
      grants[contender] = (grants[contender] ?? 0) + 1
      if ((await redis.incr(`${prefix}inside`)) !== 1) overlaps++
      await new Promise((resolve) => setTimeout(resolve, hold))
      await redis.decr(`${prefix}inside`)
    }
  }),
)
const wakeups: Record<string, number> = {}
for (const { name, attributes } of spans.getFinishedSpans()) {
  if (!name.startsWith('lock.wait')) continue
  const how = String(attributes['holdfast.lock.wakeup'])
  wakeups[how] = (wakeups[how] ?? 0) + 1
}
tell('done', { grants, overlaps, waits, wakeups, stall: delay.max / 1e6 })
await redis.quit()
