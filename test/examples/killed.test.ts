// Check of a process that is killed while it charges a card: by default nobody charges again without being told to.

import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis-server.ts'
import { type Framework, order, startService } from './service.ts'
import { shapeOf } from './trace-shape.ts'

const LEASE = 2_000

/** Kills a process that pays with `key`, as soon as the store shows that it has come as far as `reached` says. */
async function killWhen(
  reached: (redis: Redis) => Promise<boolean>,
  framework: Framework,
  key: string,
  env: Readonly<Record<'REDIS_URL' | 'LEASE_MS', string>>,
): Promise<void> {
  const redis = new Redis(env.REDIS_URL)
  await using doomed = await startService(framework, env)
  const answer = doomed.pay(key).catch(() => 'no answer')
  await eventually(() => reached(redis), { every: 1 })
  await doomed.process.kill('SIGKILL')
  redis.disconnect()
  expect(await answer).toBe('no answer')
}

const isCharged = (key: string) => async (redis: Redis) =>
  (await redis.lrange('demo:payments', 0, -1)).some((charge) => JSON.parse(charge).key === key)

const isClaimed = async (redis: Redis) => (await redis.keys('*{idempotency:*')).length > 0

describe.each<[Framework, Framework]>([
  ['express', 'hono'],
  ['hono', 'express'],
])('a payment on %s whose process was killed, retried on %s', (killed, retried) => {
  test('is unknown by default, runs again with TAKEOVER=1, and is settled by RECOVER=1', async () => {
    await using redis = await startRedis()
    const env = { REDIS_URL: redis.url, LEASE_MS: `${LEASE}` }
    await using byDefault = await startService(retried, env)
    await using takingOver = await startService(retried, { ...env, TAKEOVER: '1' })
    await using recovering = await startService(retried, { ...env, RECOVER: '1' })
    for (const key of ['k1', 'k2']) await killWhen(isCharged(key), killed, key, env)

    const early = await byDefault.pay('k2')
    expect(JSON.parse(early.text)).toMatchObject({ status: 409, type: /#in-progress$/ })
    expect(early.headers.get('retry-after')).toBe('1')
    await sleep(LEASE)

    for (const key of ['k1', 'k2']) {
      const unknown = await byDefault.pay(key)
      expect(JSON.parse(unknown.text)).toMatchObject({ status: 409, type: /#outcome-unknown$/ })
      expect(unknown.headers.get('retry-after')).toBeNull()
    }
    const charged = await byDefault.charges()
    expect(charged.map(({ key }) => key)).toEqual(['k1', 'k2'])

    // k1 is charged a second time, and the answer says so.
    const again = await takingOver.pay('k1')
    expect(again.status).toBe(201)
    expect(JSON.parse(again.text)).toMatchObject({ ...order, recovered: true })
    expect((await byDefault.charges()).map(({ key }) => key)).toEqual(['k1', 'k2', 'k1'])
    expect((await takingOver.traces(1)).map(shapeOf).join('\n')).toContain(
      [
        'POST /payments  201  idempotency=recovered',
        '└─ idempotency.execute payments  recovered',
        '   │  ↳ link to trace …, execution that was lost',
        '   └─ charge card',
      ].join('\n'),
    )

    // k2 is found in the list of charges, and answered as the killed process would have.
    const found = await recovering.pay('k2')
    const { key: _, ...payment } = charged[1] ?? { key: '' }
    expect([found.status, found.text]).toEqual([201, JSON.stringify(payment)])
    expect(found.headers.get('idempotent-replayed')).toBe('true')
    expect(await byDefault.charges()).toHaveLength(3)

    // Both are settled for everybody now.
    for (const [key, { text }] of [['k1', again] as const, ['k2', found] as const]) {
      const retry = await byDefault.pay(key)
      expect([retry.status, retry.text]).toEqual([201, text])
      expect(retry.headers.get('idempotent-replayed')).toBe('true')
    }
    expect(await byDefault.charges()).toHaveLength(3)
  })

  test('runs again with RECOVER=1 when the card was not charged', async () => {
    await using redis = await startRedis()
    const env = { REDIS_URL: redis.url, LEASE_MS: '500' }
    // Between its claim and the charge it has 50 ms.
    await killWhen(isClaimed, killed, 'k1', env)

    await using recovering = await startService(retried, { ...env, RECOVER: '1' })
    expect(await recovering.charges()).toEqual([])
    await sleep(500)
    expect(await recovering.pay('k1')).toMatchObject({ status: 201 })
    expect(await recovering.charges()).toHaveLength(1)
  })
})
