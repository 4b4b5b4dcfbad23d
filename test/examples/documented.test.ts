// The programs in the documentation run, and the README's traces are what its program prints.

import { expect, inject, test } from 'vitest'
import { documented, examples, read } from '../docs/documents.ts'
import { fencesOf } from '../docs/fences.ts'
import { startChild } from '../support/child.ts'
import { startReadme } from './service.ts'
import { shapeOf, traceId } from './trace-shape.ts'

test('every documented program runs, and nothing that they leave behind keeps the process alive', async () => {
  await using child = startChild(new URL('./run-programs.ts', import.meta.url), {
    // Not the contract, which takes its time elsewhere, nor those that listen or need a server that is not there.
    argument: [
      ...examples().filter(
        ({ code }) => !/from '(?:holdfast\/contract|pg)'|\.listen\(|serve\(/.test(code),
      ),
      ...documented().filter(
        ({ code }) => !/from '(?:express|hono|ioredis|pg|@opentelemetry\/.*)'/.test(code),
      ),
    ],
    env: { REDIS_URL: inject('redisUrl'), NODE_NO_WARNINGS: '1' },
  })
  expect(await child.next('ran', 25_000)).toEqual({ type: 'ran', failures: [] })
  expect(await child.exit).toEqual({ code: 0, signal: null })
  expect(child.stderr).toBe('')
})

test('the README shows the traces that its program really prints', async () => {
  await using service = await startReadme()
  const pay = (key: string): Promise<Response> =>
    fetch(`${service.url}/orders/7/pay`, { method: 'POST', headers: { 'idempotency-key': key } })
  const first = pay('a')
  await new Promise((resolve) => setTimeout(resolve, 50))
  const second = await pay('b')
  expect([(await first).status, second.status]).toEqual([201, 201])
  await pay('a')

  const [holder = '', waiter = '', replay = ''] = await service.traces(3)
  const [shown] = fencesOf('README.md', read('README.md'), '')
  expect(shapeOf(shown?.code.trimEnd() ?? '')).toBe(shapeOf(`${waiter}\n${replay}`))
  for (const trace of [waiter, replay]) {
    expect(trace).toContain(`link to trace ${traceId(holder)},`)
  }
})
