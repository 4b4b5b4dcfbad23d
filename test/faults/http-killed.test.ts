// A process that is killed at the first byte of its answer: what was answered is replayed by the others, byte for byte,
// and a stream that broke off is never made a second time.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, inject, test } from 'vitest'
import { Client } from '../middleware/conformance/client.ts'
import { expectProblem, problems } from '../middleware/conformance/problem.ts'
import { requestText } from '../middleware/conformance/wire.ts'
import { type Child, startChild } from '../support/child.ts'
import { deferred } from '../support/deferred.ts'
import { openBackend, type Place } from './http-backend.ts'

/** Two hundred with a buffered answer, and ten with a stream alone. */
const ROUNDS = 210
/** Processes that start while others are killed. */
const AHEAD = 3
const LEASE = 3_000
const BODY = JSON.stringify({ amount: 10 })

interface Started {
  readonly child: Child
  readonly port: number
}

async function start(place: Place, round: number): Promise<Started> {
  const argument = { ...place, framework: round % 2 ? 'hono' : 'express' }
  const child = startChild(new URL('./http-service-child.ts', import.meta.url), { argument })
  const { port } = await child.next<{ type: string; port: number }>('listening', 60_000)
  return { child, port }
}

/**
 * Sends a request through a proxy, and resolves with a function that gives what has arrived, at the first byte of the
 * answer that the proxy sees.
 */
async function firstByte(port: number, path: string, key: string): Promise<() => string> {
  const seen = deferred()
  const proxy = createServer((client) => {
    const service = connect(port, '127.0.0.1')
    service.once('data', () => seen.resolve())
    service.pipe(client).pipe(service)
    // A killed process breaks the connection off.
    for (const socket of [service, client]) socket.on('error', () => {})
    service.once('close', () => proxy.close())
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const socket = connect((proxy.address() as AddressInfo).port, '127.0.0.1')
  let received = ''
  socket.setEncoding('utf8').on('error', () => {})
  socket.on('data', (chunk: string) => {
    received += chunk
  })
  socket.write(requestText({ path, close: false, body: BODY }, `Idempotency-Key: "${key}"`))
  await seen.promise
  return () => received
}

const bodyOf = (answer: string): string => answer.split('\r\n\r\n')[1] ?? ''

describe.each(['redis', 'postgres'] as const)('on %s', (store) => {
  const url = inject(store === 'redis' ? 'redisUrl' : 'databaseUrl')

  test(`${ROUNDS} processes are killed at the first byte of an answer`, async () => {
    const place: Place = { store, url, name: `http_killed_${process.pid}` }
    const backend = await openBackend(place)
    await backend.prepare()
    const survivors = await Promise.all([start(place, 0), start(place, 1)])
    const clients = survivors.map(({ port }) => new Client(port))
    let next = 0
    const ahead = Array.from({ length: AHEAD }, () => start(place, next++))
    const streamed: { client: Client; key: string }[] = []
    let replayed = 0
    let whole = 0

    for (let round = 0; round < ROUNDS; round++) {
      const { child, port } = (await ahead.shift()) as Started
      if (next < ROUNDS) ahead.push(start(place, next++))
      // The other framework's turn: they share their records.
      const client = clients[(round + 1) % 2] as Client
      const [buffered, stream] = [`buffered-${round}`, `streamed-${round}`]
      // By turns the buffered answer alone, both at once, and now and then the stream alone.
      const alone = round % 21 === 20
      const asked = await Promise.all([
        alone ? undefined : firstByte(port, '/buffered', buffered),
        alone || round % 2 ? firstByte(port, '/streamed', stream) : undefined,
      ])
      await child.kill('SIGKILL')
      const [seen, flowed] = asked.map((received) => received && bodyOf(received()))
      if (seen !== undefined) {
        const again = await client.post('/buffered', { key: buffered, body: BODY })
        expect([again.status, again.headers['idempotent-replayed']]).toEqual([201, 'true'])
        expect(again.json()).toMatchObject({ run: 1, key: buffered })
        expect(again.text.startsWith(seen)).toBe(true)
        replayed++
        if (again.text === seen) whole++
      }
      if (flowed !== undefined) {
        const again = await client.post('/streamed', { key: stream, body: BODY })
        expect(again.status).toBe(409)
        streamed.push({ client, key: stream })
      }
    }

    // Nobody renews their claims any more.
    await sleep(LEASE)
    for (const { client, key } of streamed) {
      expectProblem(await client.post('/streamed', { key, body: BODY }), problems.outcomeUnknown)
    }
    const counts = await backend.counts()
    expect([replayed, counts.size]).toEqual([200, 200 + streamed.length])
    expect([...counts].filter(([, runs]) => runs !== 1)).toEqual([])
    // Bytes were compared, not only their absence.
    expect(whole).toBeGreaterThan(replayed / 2)

    for (const client of clients) client[Symbol.dispose]()
    for (const { child } of survivors) {
      await child.kill()
      expect(child.stderr).toBe('')
    }
    await backend.clear()
    await backend.provider.disconnect()
    await backend.close()
  }, 240_000)
})
