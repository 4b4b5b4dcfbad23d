// The private PostgreSQL servers of the tests start, crash, freeze and come back with their data.

import { Client } from 'pg'
import { expect, test } from 'vitest'
import { eventually } from './eventually.ts'
import { startPostgres } from './postgres-server.ts'

async function ask(url: string, text: string): Promise<unknown> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 500 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query({ text, rowMode: 'array' })).rows[0]?.[0]
  } finally {
    await client.end()
  }
}

test('a server keeps its data when it is restarted, and after a crash', async () => {
  await using server = await startPostgres({ settings: { max_connections: '17' } })
  expect(await ask(server.url, 'show max_connections')).toBe('17')
  await ask(server.url, 'create table kept as select 1 as value')
  const { pid } = server
  await server.restart()
  expect(server.pid).not.toBe(pid)
  expect(await ask(server.url, 'select value from kept')).toBe(1)
  await server.kill()
  await expect(ask(server.url, 'select 1')).rejects.toThrow()
  await server.restart()
  expect(await ask(server.url, 'select value from kept')).toBe(1)
})

test('a paused server says nothing, to old sessions and new ones, until it is resumed', async () => {
  await using server = await startPostgres()
  const client = new Client({ connectionString: server.url })
  client.on('error', () => {})
  await client.connect()
  await server.pause()
  const slow = client.query('select 1')
  const answered = await Promise.race([
    slow.then(() => 'answered'),
    new Promise((resolve) => setTimeout(() => resolve('silent'), 300)),
  ])
  expect(answered).toBe('silent')
  await expect(ask(server.url, 'select 1')).rejects.toThrow()
  await server.resume()
  await slow
  expect(await eventually(() => ask(server.url, 'select 1'))).toBe(1)
  await client.end()
})
