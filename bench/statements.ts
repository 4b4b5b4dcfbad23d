// Counts the statements that this process sends to PostgreSQL, whichever library sends them.

import { Client } from 'pg'

/** The statements sent during `work`. */
export async function countStatements(work: () => Promise<unknown>): Promise<number> {
  const { prototype } = Client
  const { query } = prototype
  let sent = 0
  prototype.query = function counting(this: Client, ...args: unknown[]) {
    sent++
    return (query as (...args: unknown[]) => unknown).apply(this, args)
  } as typeof query
  try {
    await work()
  } finally {
    prototype.query = query
  }
  return sent
}
