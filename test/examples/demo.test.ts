// Check of the demo as its start-up text invites to: without servers, in both frameworks.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { frameworks, order, startService } from './service.ts'
import { shapeOf, traceId } from './trace-shape.ts'

describe.each(frameworks)('the %s example', (framework) => {
  test('charges a card once for a key, and shows the replay and where it came from', async () => {
    await using service = await startService(framework)
    const first = await service.pay('"order-1"')
    const second = await service.pay('"order-1"')

    expect([first.status, second.status]).toEqual([201, 201])
    expect(JSON.parse(first.text)).toEqual({ paymentId: expect.any(String), ...order })
    expect(second.text).toBe(first.text)
    expect(first.headers.get('idempotent-replayed')).toBeNull()
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect(second.headers.get('content-type')).toBe(first.headers.get('content-type'))
    expect(await service.charges()).toEqual([{ ...JSON.parse(first.text), key: 'order-1' }])

    const [executed = '', replayed = ''] = await service.traces(3)
    expect(shapeOf(executed)).toBe(
      [
        'trace …',
        'POST /payments  201',
        '└─ idempotency.execute payments  executed',
        '   └─ charge card',
      ].join('\n'),
    )
    expect(shapeOf(replayed)).toBe(
      [
        'trace …',
        'POST /payments  201  idempotency=replayed',
        '└─ idempotency.execute payments  replayed',
        '   ↳ link to trace …, original execution',
      ].join('\n'),
    )
    expect(replayed).toContain(`↳ link to trace ${traceId(executed)},`)
  })

  test('refuses a payment without a key, and a key with another amount', async () => {
    await using service = await startService(framework)
    const missing = await service.pay()
    expect(missing.status).toBe(400)
    expect(missing.headers.get('content-type')).toBe('application/problem+json')
    expect(JSON.parse(missing.text)).toMatchObject({ status: 400, type: /#key-missing$/ })

    await service.pay('order-1')
    const other = await service.pay('order-1', { ...order, amount: 11 })
    expect(other.status).toBe(422)
    expect(JSON.parse(other.text)).toMatchObject({ status: 422, type: /#payload-mismatch$/ })
    expect(await service.charges()).toHaveLength(1)
  })

  test('refuses what is no order, without charging', async () => {
    await using service = await startService(framework)
    expect(await service.pay('order-1', { orderId: 'o1' })).toMatchObject({ status: 400 })
    expect(await service.charges()).toEqual([])
  })

  test('ships an order one request at a time, and shows who waited for whom', async () => {
    await using service = await startService(framework)
    const replies = await Promise.all([1, 2, 3].map(() => service.ship('7')))
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200])
    const tokens = replies.map(({ text }) => JSON.parse(text).fencingToken)
    expect(new Set(tokens).size).toBe(3)

    const [first = '', second = ''] = await service.traces(3)
    expect(shapeOf(second)).toBe(
      [
        'trace …',
        'POST /orders/:id/ship  200',
        '└─ lock.acquire POST /orders/:id/ship  acquired  attempts=3  fencing_token=…',
        '   └─ lock.wait POST /orders/:id/ship  acquired  position=1',
        '      ↳ link to trace …, holder that it waited for',
      ].join('\n'),
    )
    expect(second).toContain(`↳ link to trace ${traceId(first)},`)
  })

  test('makes two reports at a time, and refuses who waits too long', async () => {
    await using service = await startService(framework)
    const replies = await Promise.all(
      [1, 2, 3, 4, 5, 6, 7].map(() => fetch(`${service.url}/reports`)),
    )
    const made = replies.filter(({ status }) => status === 200)
    const refused = replies.filter(({ status }) => status === 503)
    expect([made.length, refused.length]).toEqual([4, 3])
    for (const reply of refused) expect(reply.headers.get('retry-after')).toBe('1')
  })

  test('answers five prices, says what is left, and refuses the sixth', async () => {
    await using service = await startService(framework)
    const ask = () => fetch(`${service.url}/prices/tea`)
    const left = []
    for (let at = 0; at < 5; at++) left.push((await ask()).headers.get('ratelimit'))
    expect(left).toEqual([4, 3, 2, 1, 0].map((r) => expect.stringMatching(`^"per-10s";r=${r};t=`)))
    const refused = await ask()
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '2'])
  })

  test('leaves a supplier alone that has failed twice', async () => {
    await using service = await startService(framework)
    const ask = async (item: string) => (await fetch(`${service.url}/prices/${item}`)).status
    expect([await ask('out-of-stock'), await ask('out-of-stock'), await ask('tea')]).toEqual([
      500, 500, 503,
    ])
  })

  test('says how to try it, and ends by itself when it is told to', async () => {
    await using service = await startService(framework)
    expect(service.process.stdout).toContain(
      `curl -i http://localhost:${new URL(service.url).port}/payments`,
    )
    expect(await service.traces()).toEqual([])
    expect(await service.process.kill('SIGINT')).toEqual({ code: 0, signal: null })
    expect(service.process.stderr).toBe('')
  })

  test('lets a running request finish when it is told to end', async () => {
    await using service = await startService(framework)
    const paying = service.pay('order-1')
    await new Promise((resolve) => setTimeout(resolve, 50))
    const exit = service.process.kill('SIGTERM')
    expect(await paying).toMatchObject({ status: 201 })
    expect(await exit).toEqual({ code: 0, signal: null })
  })

  test('sends traces and metrics to a collector instead, when it is given one', async () => {
    const received = new Set<string>()
    const collector = createServer((req, res) => {
      received.add(`${req.method} ${req.url}`)
      req.resume().on('end', () => res.end())
    }).listen(0, '127.0.0.1')
    try {
      await once(collector, 'listening')
      const { port } = collector.address() as AddressInfo
      const endpoint = `http://127.0.0.1:${port}`
      await using service = await startService(framework, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })
      await service.pay('order-1')
      expect(await service.process.kill('SIGTERM')).toEqual({ code: 0, signal: null })
      expect(await service.traces()).toEqual([])
      expect([...received].toSorted()).toEqual(['POST /v1/metrics', 'POST /v1/traces'])
    } finally {
      collector.close()
    }
  })
})
