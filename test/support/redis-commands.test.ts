// What is counted as a command of a client, and what is not.

import { Redis } from 'ioredis'
import { expect, inject, onTestFinished, test } from 'vitest'
import { countCommands, watchCommands } from './redis-commands.ts'

const client = (connectionName?: string): Redis => {
  const redis = new Redis(inject('redisUrl'), connectionName ? { connectionName } : {})
  onTestFinished(() => redis.disconnect())
  return redis
}

test('commands are listed in order, those inside a script are not', async () => {
  const redis = client('counted')
  await redis.ping()
  const names = await countCommands(
    inject('redisUrl'),
    async () => {
      await redis.get('support:a')
      await redis.eval(`return redis.call('GET', KEYS[1])`, 1, 'support:a')
      await redis.exists('support:a')
    },
    { client: 'counted' },
  )
  expect(names).toEqual(['get', 'eval', 'exists'])
})

test('other connections are told apart by the name they were given, also when they are new', async () => {
  const before = client('old')
  await before.ping()
  const seen = await watchCommands(inject('redisUrl'), async () => {
    await before.get('support:a')
    const brief = new Redis(inject('redisUrl'), { connectionName: 'brief' })
    await brief.exists('support:a')
    await brief.quit()
  })
  const by = (name: string) => seen.filter((each) => each.client === name).map((each) => each.name)
  expect(by('old')).toEqual(['get'])
  expect(by('brief')).toContain('exists')
  expect(new Set(seen.map((each) => each.addr)).size).toBe(2)
})

test('work that fails fails the count', async () => {
  const work = () => Promise.reject(new Error('broken work'))
  await expect(countCommands(inject('redisUrl'), work)).rejects.toThrow('broken work')
})
