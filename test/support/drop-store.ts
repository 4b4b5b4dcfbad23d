// Removes what child programs have stored on a server that others use too.

import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { dropSchema } from './postgres-store.ts'
import { deleteKeys } from './redis-store.ts'
import type { StoreAt } from './server-store.ts'

export async function dropStore({ kind, url, name }: StoreAt): Promise<void> {
  if (kind === 'redis') {
    const redis = new Redis(url)
    await deleteKeys(redis, `${name}:`)
    await redis.quit()
  } else {
    const pool = new Pool({ connectionString: url })
    await dropSchema(pool, name)
    await pool.end()
  }
}
