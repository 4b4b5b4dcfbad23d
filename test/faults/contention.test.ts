// Twenty callers in four processes want one lock: they take turns, and every hand-off is by message.

import { Redis } from 'ioredis'
import { expect, inject, test } from 'vitest'
import { type ChildMessage, startChild } from '../support/child.ts'

const PROCESSES = 4
const CONTENDERS = 5
const MILLISECONDS = 5_000

interface Done extends ChildMessage {
  readonly type: 'done'
  readonly grants: number[]
  readonly overlaps: number
  readonly waits: number[]
  readonly wakeups: Record<string, number>
  readonly stall: number
}

test('twenty contenders in four processes get the lock equally often, never two at once', async () => {
  const url = inject('redisUrl')
  const prefix = `contention-${process.pid}:`
  await using stack = new AsyncDisposableStack()
  const children = Array.from({ length: PROCESSES }, () =>
    stack.use(
      startChild(new URL('./contention-child.ts', import.meta.url), {
        argument: { url, prefix, contenders: CONTENDERS, hold: 2 },
      }),
    ),
  )
  await Promise.all(children.map((child) => child.next('ready')))
  const until = Date.now() + MILLISECONDS
  for (const child of children) child.send({ type: 'go', until })
  const done = await Promise.all(
    children.map((child) => child.next<Done>('done', MILLISECONDS + 20_000)),
  )

  const grants = done.flatMap((each) => each.grants)
  const waits = done.flatMap((each) => each.waits).sort((a, b) => a - b)
  const at = (share: number) => Math.round(waits[Math.floor(waits.length * share)] ?? 0)
  const wakeups = done.reduce<Record<string, number>>((sum, { wakeups }) => {
    for (const [how, times] of Object.entries(wakeups)) sum[how] = (sum[how] ?? 0) + times
    return sum
  }, {})
  console.log(
    `contended lock: ${grants.reduce((a, b) => a + b)} grants in ${MILLISECONDS / 1000} s, ` +
      `per contender ${Math.min(...grants)} to ${Math.max(...grants)}, wait p50 ${at(0.5)} ms, ` +
      `p99 ${at(0.99)} ms, woken by ${JSON.stringify(wakeups)}, ` +
      `longest stall ${Math.round(Math.max(...done.map(({ stall }) => stall)))} ms`,
  )
  expect(done.map(({ overlaps }) => overlaps)).toEqual(children.map(() => 0))
  expect(Math.max(...grants) / Math.min(...grants)).toBeLessThanOrEqual(1.5)
  expect(Object.keys(wakeups)).toEqual(['message'])

  const redis = new Redis(url)
  expect(await redis.get(`${prefix}inside`)).toBe('0')
  await redis.quit()
}, 40_000)
