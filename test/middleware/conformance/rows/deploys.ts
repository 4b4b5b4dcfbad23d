// Records outlive the program that wrote them: what an earlier version kept is replayed, and what a later one kept is not run again.

import { expect } from 'vitest'
import type { BeginRequest } from '../../../../src/core/ports.ts'
import type { Answered } from '../client.ts'
import { expectProblem, problems } from '../problem.ts'
import { json, text } from '../reply.ts'
import type { Bench, Row, RowGroup } from '../row.ts'

/** The records as they were written when they were first written: never change these. */
const golden = {
  text: '{"v":1,"kind":"value","value":{"status":201,"headers":[["content-type","application/json"],["location","/payments/1"]],"body":"{\\"paymentId\\":\\"p1\\"}"}}',
  bytes:
    '{"v":1,"kind":"value","value":{"status":200,"headers":[["content-type","image/png"]],"body":"iVBORwD/","encoding":"base64"}}',
  tombstone: '{"v":1,"kind":"tombstone","why":"its value was not kept"}',
}

/** A service whose store has this record of a request that its handler has never seen, and the retry of that request. */
async function withRecord(
  { serve, store, otherProcess }: Bench,
  value: string,
): Promise<{ retry(): Promise<Answered>; runs(): number }> {
  const service = await serve([['idempotency']], ({ run }) =>
    run === 1 ? text('not now', 503) : json('ran'),
  )
  const retry = () => service.client.post('/', { key: 'k', body: { amount: 10 } })
  // It leaves nothing, and tells under which name a record would be kept.
  await retry()
  const at = store.calls.indexOf('records.begin')
  const begin = store.given[at]?.[0] as BeginRequest
  const { records } = otherProcess()
  const id = `deployed-before-${crypto.randomUUID()}`
  expect(await records.begin({ ...begin, id })).toMatchObject({ state: 'claimed' })
  const { record, ttl, meta } = begin
  expect(await records.commit({ record, id, value, ttl, meta })).toBe(true)
  return { retry, runs: () => service.runs() - 1 }
}

const rows: Row[] = [
  {
    name: 'an answer that an earlier version kept is replayed byte for byte',
    check: async (bench) => {
      const { retry, runs } = await withRecord(bench, golden.text)
      const answer = await retry()
      expect([answer.status, answer.text]).toEqual([201, '{"paymentId":"p1"}'])
      expect(answer.headers).toMatchObject({
        'content-type': 'application/json',
        location: '/payments/1',
        'idempotent-replayed': 'true',
      })
      expect(runs()).toBe(0)
    },
  },
  {
    name: 'bytes that an earlier version kept are replayed byte for byte',
    check: async (bench) => {
      const { retry, runs } = await withRecord(bench, golden.bytes)
      const answer = await retry()
      expect([answer.headers['content-type'], [...answer.bytes]]).toEqual([
        'image/png',
        [0x89, 0x50, 0x4e, 0x47, 0x00, 0xff],
      ])
      expect(runs()).toBe(0)
    },
  },
  {
    name: 'what an earlier version did not keep is done all the same',
    check: async (bench) => {
      const { retry, runs } = await withRecord(bench, golden.tombstone)
      expectProblem(await retry(), problems.notReplayable)
      expect(runs()).toBe(0)
    },
  },
  {
    name: 'what this version writes is what it will have to read',
    check: async ({ serve, store }) => {
      const service = await serve([['idempotency']], ({ header }) =>
        header('x-bytes')
          ? { as: 'bytes', bytes: Uint8Array.of(0xff), headers: [['Content-Type', 'image/png']] }
          : { as: 'empty', status: 204, headers: [['ETag', '"v1"']] },
      )
      await service.client.post('/', { key: 'a' })
      await service.client.post('/', { key: 'b', headers: { 'x-bytes': 'yes' } })
      const written = store.given
        .filter((_args, at) => store.calls[at] === 'records.commit')
        .map(([request]) => JSON.parse((request as { value: string }).value))
      expect(written).toEqual([
        {
          v: 1,
          kind: 'value',
          value: { status: 204, headers: expect.arrayContaining([['etag', '"v1"']]), body: '' },
        },
        {
          v: 1,
          kind: 'value',
          value: {
            status: 200,
            headers: expect.arrayContaining([['content-type', 'image/png']]),
            body: '/w==',
            encoding: 'base64',
          },
        },
      ])
    },
  },
  ...[
    ['of a later version', '{"v":2,"kind":"value","value":{"status":201,"headers":[],"body":"x"}}'],
    ['of another form', '{"v":1,"kind":"value","value":{"paymentId":"p1"}}'],
    [
      'in an encoding of a later version',
      '{"v":1,"kind":"value","value":{"status":200,"headers":[],"body":"KLUv","encoding":"zstd"}}',
    ],
    [
      'that names no status',
      '{"v":1,"kind":"value","value":{"status":"2","headers":[],"body":""}}',
    ],
    ['that somebody else wrote', 'not json'],
    ['that would change a prototype', '{"__proto__":{"v":1,"kind":"value","value":{}}}'],
  ].map(
    ([what, value]): Row => ({
      name: `a record ${what} is refused, and nothing runs, now or later`,
      check: async (bench) => {
        const { retry, runs } = await withRecord(bench, value as string)
        for (let attempt = 0; attempt < 2; attempt++) {
          expectProblem(await retry(), problems.storeCorrupt)
        }
        expect(runs()).toBe(0)
      },
    }),
  ),
]

export const deploys: RowGroup = { subject: 'records over a deployment', rows }
