// verrou: SET NX or a table row with polling; async-mutex in memory.

import { Verrou } from '@verrou/core'
import { knexStore } from '@verrou/core/drivers/knex'
import { memoryStore } from '@verrou/core/drivers/memory'
import { redisStore } from '@verrou/core/drivers/redis'
import { Redis } from 'ioredis'
import createKnex from 'knex'
import { type Acquire, type Library, LOCK_TTL } from '../library.ts'

type Driver = ConstructorParameters<typeof Verrou>[0]['stores'][string]['driver']

function acquiring(driver: Driver): (key: string) => Acquire {
  const verrou = new Verrou({ default: 'store', stores: { store: { driver } } })
  return (key) => async () => {
    const lock = verrou.createLock(`verrou:${key}`, LOCK_TTL)
    if (!(await lock.acquire())) throw new Error('Expected the lock')
    return () => lock.release()
  }
}

export const verrou: Library = {
  name: 'verrou',
  locks: {
    memory: () => ({ use: acquiring(memoryStore()), close: () => {} }),
    redis: (url) => {
      const connection = new Redis(url)
      return { use: acquiring(redisStore({ connection })), close: () => connection.quit() }
    },
    postgres: (url) => {
      const connection = createKnex({ client: 'pg', connection: url, pool: { min: 2, max: 10 } })
      return {
        use: acquiring(knexStore({ connection, tableName: 'verrou' })),
        close: () => connection.destroy(),
      }
    },
  },
}
