// Scripts of the Redis adapter on a server that does not know flags, as before Redis 7.

import type { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { Script } from '../../src/adapters/redis/script.ts'

/** What a server before Redis 7 answers, one turn of the event loop later. */
async function oldServer(text: string): Promise<unknown> {
  await new Promise((resolve) => setImmediate(resolve))
  if (!text.startsWith('#!')) return 'done'
  const message = 'ERR Error compiling script (new function): user_script:1: unexpected symbol'
  throw Object.assign(new Error(message), { name: 'ReplyError' })
}

test('callers that find out together that it does not are all served', async () => {
  const client = { eval: oldServer } as unknown as Redis
  const script = new Script('return 1', { frees: true })
  const all = Array.from({ length: 3 }, () => script.run(client, [], []))
  expect(await Promise.all(all)).toEqual(['done', 'done', 'done'])
})
