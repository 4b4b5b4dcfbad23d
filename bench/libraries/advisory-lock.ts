// The reference on PostgreSQL: a session's advisory lock, which blocks a connection per waiter and writes nothing.

import { Pool } from 'pg'
import type { Library } from '../library.ts'

export const advisoryLock: Library = {
  name: 'pg_advisory_lock',
  locks: {
    postgres: (url) => {
      const pool = new Pool({ connectionString: url, max: 20 })
      return {
        use: (key) => async () => {
          const client = await pool.connect()
          const lock = { name: 'lock', text: 'select pg_advisory_lock(hashtextextended($1, 0))' }
          await client.query({ ...lock, values: [key] })
          return async () => {
            const unlock = {
              name: 'un',
              text: 'select pg_advisory_unlock(hashtextextended($1, 0))',
            }
            await client.query({ ...unlock, values: [key] })
            client.release()
          }
        },
        close: () => pool.end(),
      }
    },
  },
}
