// What clients do with a connection: many requests at once, pipelines, and asking before they send.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
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
