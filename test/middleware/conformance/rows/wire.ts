// What clients do with a connection: many requests at once, pipelines, and asking before they send.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { deferred } from '../../../support/deferred.ts'
import { eventually } from '../../../support/eventually.ts'
import { expectProblem, problems } from '../problem.ts'
import { expectReplay } from '../replay.ts'
import { json } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import { exchange, parseAnswers, requestText } from '../wire.ts'

const body = JSON.stringify({ amount: 10 })
const key = (name: string) => `Idempotency-Key: "${name}"`

const rows: Row[] = [
  {
    name: 'pipelined requests are answered in order, each with its own answer',
    check: async ({ serve }) => {
      const service = await serve(
        [['idempotency'], ['lock', { key: 'a', timeout: 5_000 }]],
        async ({ header }) => {
          await sleep(Number(header('x-sleep')))
          return json(header('x-at'))
        },
      )
      const requests = [60, 30, 0].map((ms, at) =>
        requestText({ body, close: at === 2 }, key(`k-${at}`), `X-Sleep: ${ms}`, `X-At: ${at}`),
      )
      const answers = parseAnswers(await exchange(service.port, requests.join('')))
      expect(answers.map((each) => [each.status, JSON.parse(each.body)])).toEqual([
        [200, '0'],
        [200, '1'],
        [200, '2'],
      ])
    },
  },
  {
    name: 'of two pipelined requests with one key, one runs',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], async ({ run }) => {
        await sleep(30)
        return json(run)
      })
      const received = await exchange(
        service.port,
        requestText({ body, close: false }, key('k')) + requestText({ body }, key('k')),
      )
      // Both are begun at once: either may be the one.
      const answers = parseAnswers(received)
      expect(answers.filter(({ status }) => status === 409).length).toBeLessThan(2)
      for (const { status, body: sent } of answers) {
        if (status !== 409) expect([status, sent]).toEqual([200, '1'])
      }
      expect([answers.length, service.runs()]).toEqual([2, 1])
    },
  },
  {
    name: 'a pipelined request behind one that is answered 504 gets its own answer',
    check: async ({ serve }) => {
      const service = await serve([['timeout', 300]], async ({ header }) => {
        await sleep(Number(header('x-sleep')))
        return json(header('x-sleep'))
      })
      const received = await exchange(
        service.port,
        requestText({ body, close: false }, 'X-Sleep: 500') +
          requestText({ body, close: false }, 'X-Sleep: 1'),
        requestText({ body }, 'X-Sleep: 0'),
      )
      expect(parseAnswers(received).map(({ status }) => status)).toEqual([504, 200, 200])
    },
  },
  {
    name: 'a client that leaves while a pipelined request waits for its turn: its handler goes on, and its retry never runs',
    check: async ({ serveAll, store }) => {
      const gates = { first: deferred(), second: deferred() }
      const begun = deferred()
      const service = await serveAll({
        use: [['requestScope', { provider: store }], ['idempotency']],
        routes: {
          'POST /first': {
            handler: async () => {
              await gates.first.promise
              return json('first')
            },
          },
          'POST /second': {
            handler: async ({ run }) => {
              begun.resolve()
              await gates.second.promise
              return json(run, 201)
            },
          },
        },
      })
      const socket = connect(service.port, '127.0.0.1')
      socket.write(
        requestText({ path: '/first', body, close: false }, key('a')) +
          requestText({ path: '/second', body, close: false }, key('b')),
      )
      const [connection] = (await once(service.server, 'connection')) as [Socket]
      await begun.promise
      const closed = new Promise((resolve) => connection.once('close', resolve))
      socket.destroy()
      await closed
      const retry = () => service.client.post('/second', { key: 'b', body })
      expectProblem(await retry(), problems.inProgress)
      gates.second.resolve()
      const again = await eventually(async () => {
        const answer = await retry()
        return answer.status === 201 && answer
      })
      expect([again.json(), again.headers['idempotent-replayed']]).toEqual([1, 'true'])
      gates.first.resolve()
      expect(service.runs('POST /second')).toBe(1)
    },
  },
  {
    name: 'a stream that waits for its turn on a connection that goes holds its lock no longer than it may',
    check: async ({ serveAll, store }) => {
      const gate = deferred()
      const begun = deferred()
      async function* chunks() {
        begun.resolve()
        // More than is buffered for a connection that is not its turn yet.
        for (let at = 0; at < 100; at++) yield 'x'.repeat(65_536)
      }
      const service = await serveAll({
        use: [['requestScope', { provider: store }]],
        routes: {
          'POST /first': {
            handler: async () => {
              await gate.promise
              return json('first')
            },
          },
          'POST /second': {
            guards: [['lock', { key: 'a', ttl: 1_200 }]],
            handler: () => ({ as: 'stream', chunks }),
          },
        },
      })
      const socket = connect(service.port, '127.0.0.1')
      socket.write(
        requestText({ path: '/first', body, close: false }) +
          requestText({ path: '/second', body, close: false }),
      )
      await begun.promise
      socket.destroy()
      await eventually(async () => (await store.grants.inspect('lock:a')).holders.length === 0)
      gate.resolve()
    },
  },
  {
    name: 'a handler that waits for the rest of a body whose client has gone holds its lock no longer than its ttl',
    only: 'hono',
    check: async ({ serve, store }) => {
      const service = await serve(
        [
          ['timeout', 100],
          ['lock', { key: 'a', ttl: 1_200 }],
        ],
        () => json('read'),
      )
      const socket = connect(service.port, '127.0.0.1')
      socket.write(requestText({ body: 'x'.repeat(100_000) }).slice(0, 1_000))
      expect(String(await once(socket, 'data'))).toMatch(/^HTTP\/1\.1 504 /)
      expect((await store.grants.inspect('lock:a')).holders).toHaveLength(1)
      socket.destroy()
      await eventually(async () => (await store.grants.inspect('lock:a')).holders.length === 0)
    },
  },
  {
    name: 'a client that asks before it sends (100-continue) is told to send, and is served once',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], ({ body: sent }) => json(sent, 201))
      const head = requestText(
        {},
        key('k'),
        'Expect: 100-continue',
        'Content-Type: application/json',
        `Content-Length: ${body.length}`,
      )
      const received = await exchange(service.port, head, body)
      expect(received).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /)
      expect(received.endsWith(body)).toBe(true)
      const again = await service.client.post('/', { key: 'k', body })
      expect([again.text, again.headers['idempotent-replayed']]).toEqual([body, 'true'])
    },
  },
  {
    name: 'an answer to HTTP/1.0 is complete too',
    check: async ({ serve }) => {
      const service = await serve([['idempotency'], ['lock', { key: 'a' }]], () => json('done'))
      const send = () =>
        exchange(service.port, requestText({ body }, key('k')).replace('HTTP/1.1', 'HTTP/1.0'))
      for (const received of [await send(), await send()]) {
        expect(received).toMatch(/^HTTP\/1\.1 200 /)
        expect(received.endsWith('\r\n\r\n"done"')).toBe(true)
      }
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'refusals leave the connection as it was',
    check: async ({ serve }) => {
      const service = await serve([['idempotency', { required: true }]], () => json('done'))
      const first = await service.client.post('/', { body: { amount: 10 } })
      expectProblem(first, problems.keyMissing)
      const second = await service.client.post('/', { key: 'k', body: { amount: 10 } })
      const third = await service.client.post('/', { key: 'k', body: { amount: 10 } })
      expectReplay(third, second)
      expect([second.connection, third.connection]).toEqual([first.connection, first.connection])
    },
  },
  {
    name: 'two hundred requests with keys of their own all run once',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], ({ body: sent }) => json(sent))
      const send = (at: number) => service.client.post('/', { key: `k-${at}`, body: { at } })
      const all = Array.from({ length: 200 }, (_, at) => at)
      const first = await Promise.all(all.map(send))
      const again = await Promise.all(all.map(send))
      for (const at of all) {
        expect(first[at]?.json()).toEqual({ at })
        expect([again[at]?.text, again[at]?.headers['idempotent-replayed']]).toEqual([
          first[at]?.text,
          'true',
        ])
      }
      expect(service.runs()).toBe(200)
    },
  },
]

export const wire: RowGroup = { subject: 'what clients do with a connection', rows }
