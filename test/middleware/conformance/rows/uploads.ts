// Requests with forms, files and bodies that are too large: told apart by what they carry, and never kept in memory for long.

import { once } from 'node:events'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { expectProblem, problems } from '../problem.ts'
import { expectReplay } from '../replay.ts'
import { json, type Reply } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import type { Call } from '../service.ts'

const MEGABYTE = 1_048_576

/** A form with a field and a file, as browsers send it: the boundary is another one each time. */
function form(boundary: string, { amount = '10', file = 'the receipt' } = {}) {
  const lines = [
    `--${boundary}`,
    'Content-Disposition: form-data; name="amount"',
    '',
    amount,
    `--${boundary}`,
    'Content-Disposition: form-data; name="receipt"; filename="receipt.txt"',
    'Content-Type: text/plain',
    '',
    file,
    `--${boundary}--`,
    '',
  ]
  return { type: `multipart/form-data; boundary=${boundary}`, body: lines.join('\r\n') }
}

const amountOf = ({ body }: Call): unknown => (body as { amount?: unknown } | undefined)?.amount

const rows: Row[] = [
  {
    name: 'a form is the same form under another boundary, and another one with another field or file',
    check: async ({ serveAll, store }) => {
      const service = await serveAll({
        parser: 'form',
        use: [['requestScope', { provider: store }]],
        routes: {
          'POST /': { guards: [['idempotency']], handler: (call) => json(amountOf(call), 201) },
        },
      })
      const send = (sent: ReturnType<typeof form>) =>
        service.client.post('/', { key: 'k', ...sent })
      const first = await send(form('----one'))
      expect([first.status, first.json()]).toEqual([201, '10'])
      expectReplay(await send(form('----two')), first)
      expectReplay(
        await send({
          ...form('three'),
          type: 'multipart/form-data; charset=utf-8; boundary="three"',
        }),
        first,
      )
      expectProblem(await send(form('----four', { amount: '11' })), problems.mismatch)
      expectProblem(await send(form('----five', { file: 'another' })), problems.mismatch)
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'a form whose files are on a disk needs an own `fingerprint`: without one it is refused, and says so',
    only: 'express',
    check: async ({ serveAll, store }) => {
      const handler = (call: Call) => json(amountOf(call), 201)
      const service = await serveAll({
        parser: 'form that writes files',
        use: [['requestScope', { provider: store }]],
        routes: {
          'POST /': { guards: [['idempotency']], handler },
          'POST /own': {
            guards: [['idempotency', { fingerprint: ({ path }) => path }]],
            handler,
          },
        },
      })
      const refused = await service.client.post('/', { key: 'k', ...form('one') })
      expectProblem(refused, problems.bodyUnread)
      expect(refused.json<{ detail: string }>().detail).toContain('fingerprint')
      expect((await service.client.post('/own', { key: 'k', ...form('one') })).json()).toBe('10')
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'an upload of 50 MB is refused, and neither kept in memory nor in the store',
    check: async ({ serveAll, store }) => {
      const service = await serveAll({
        parser: 'none',
        use: [['requestScope', { provider: store }]],
        routes: { 'POST /': { guards: [['idempotency']], handler: () => json('ran') } },
      })
      const answer = await service.client.post('/', {
        key: 'k',
        body: Buffer.alloc(50 * MEGABYTE),
        type: 'application/octet-stream',
      })
      expectProblem(answer, problems.tooLarge)
      expect(service.runs()).toBe(0)
      expect(store.calls).toEqual([])
    },
  },
  {
    name: 'an upload of unannounced length is answered as soon as it is too long, however much more would come',
    only: 'hono',
    check: async ({ serve, store }) => {
      const service = await serve([['idempotency']], () => json('ran'))
      const outgoing = request({
        port: service.port,
        host: '127.0.0.1',
        method: 'POST',
        headers: { 'idempotency-key': '"k"', 'content-type': 'application/octet-stream' },
      })
      outgoing.on('error', () => {})
      const answered = once(outgoing, 'response')
      let sent = 0
      while (outgoing.writable && sent < 3 * MEGABYTE) {
        outgoing.write(Buffer.alloc(65_536))
        sent += 65_536
        await new Promise((resolve) => setImmediate(resolve))
      }
      // It has not ended, and would go on for ever.
      const [{ statusCode }] = await answered
      expect(statusCode).toBe(413)
      outgoing.destroy()
      expect(store.calls).toEqual([])
    },
  },
  {
    name: 'an answer of 50 MB waits for its client and not in memory, arrives whole, and is not stored',
    check: async ({ serve, store }) => {
      const chunk = 'x'.repeat(65_536)
      let made = 0
      async function* chunks() {
        for (; made < 50 * MEGABYTE; made += chunk.length) yield chunk
      }
      const service = await serve([['idempotency']], (): Reply => ({ as: 'piped', chunks }))
      const sent = service.client.send({ key: 'k' })
      const incoming = await sent.begun
      incoming.pause()
      // It stands still once the buffers of the sockets between are full.
      for (let before = -1; before !== made; await sleep(100)) before = made
      expect(made).toBeLessThan(25 * MEGABYTE)
      incoming.resume()
      const answer = await sent.answer
      expect([answer.bytes.length, answer.complete]).toEqual([50 * MEGABYTE, true])
      expectProblem(await service.client.post('/', { key: 'k' }), problems.notReplayable)
      expect(JSON.stringify(store.given).length).toBeLessThan(10_000)
    },
  },
]

export const uploads: RowGroup = { subject: 'forms, files and large bodies', rows }
