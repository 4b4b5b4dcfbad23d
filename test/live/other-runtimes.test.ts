// The package loads and serves where Node's own modules and globals are missing: Bun, Deno, Workers.

import { expect, test } from 'vitest'
import { startChild } from '../support/child.ts'

test('through app.fetch of Hono, on the memory adapter, every guard does what it does on Node', async () => {
  await using program = startChild(new URL('./other-runtime-child.ts', import.meta.url))
  const { left, redis, answers, waitedFor, drained, refused, runs } = await program.next(
    'served',
    30_000,
  )
  expect(left).toEqual([])
  expect(redis).toMatch(/imports node:\w+, which is not there/)
  expect(answers).toEqual({
    first: [201, null, '{"run":1,"amount":10}'],
    again: [201, 'true', '{"run":1,"amount":10}'],
    other: 422,
    missing: 400,
    after: [200, null, 'done'],
    ship: [200, null, '[true,true]'],
    events: [200, null, 'data: a\n\ndata: b\n\n'],
  })
  expect({ drained, refused, runs }).toEqual({
    drained: { aborted: 0, abandoned: 0 },
    refused: 503,
    runs: 1,
  })
  expect(waitedFor).toBeGreaterThan(0)
  expect(program.stderr).toBe('')
})
