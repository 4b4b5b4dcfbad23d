// Which Idempotency-Key headers are one key, and which are none (RFC 9651 §3.3.3, and the bare form of payment APIs).

import { expect } from 'vitest'
import { expectProblem, problems } from '../problem.ts'
import { json } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import { exchange, parseAnswers, requestText } from '../wire.ts'

const valid: readonly (readonly [what: string, lines: readonly string[], key: string])[] = [
  ['a quoted string', ['"order-1"'], 'order-1'],
  ['a bare token', ['order-1'], 'order-1'],
  ['a UUID', ['8e03978e-40d5-43dd-bc93-6894a57f9324'], '8e03978e-40d5-43dd-bc93-6894a57f9324'],
  ['escaped quotes and backslashes', [String.raw`"a\"b\\c"`], 'a"b\\c'],
  ['parameters, which are ignored', ['"order-1";v=1; note="a;b\\"c";flag'], 'order-1'],
  ['spaces and tabs around it', ['  \t"order-1"\t '], 'order-1'],
  ['a comma inside the quotes', ['"a,b"'], 'a,b'],
  ['a semicolon in the bare form', ['a;b'], 'a;b'],
  ['one character', ['"x"'], 'x'],
  ['255 characters', [`"${'k'.repeat(255)}"`], 'k'.repeat(255)],
  ['every visible character', [quoted(visible())], visible()],
]

const invalid: readonly (readonly [what: string, lines: readonly string[]])[] = [
  ['an empty value', ['']],
  ['an empty string', ['""']],
  ['blanks alone', ['" "']],
  ['256 characters', [`"${'k'.repeat(256)}"`]],
  ['256 bare characters', ['k'.repeat(256)]],
  ['two headers', ['"a"', '"b"']],
  ['two headers that are the same', ['"a"', '"a"']],
  ['two bare headers', ['a', 'a']],
  ['a list in one header', ['"a", "b"']],
  ['a bare list', ['a,b']],
  ['a quote that is split over two headers', ['"a', 'b"']],
  ['an inner list', ['("a" "b")']],
  ['a quote that does not end', ['"order-1']],
  ['something behind the quote', ['"order-1"x']],
  ['a parameter without a name', ['"order-1";']],
  ['a parameter that is none', ['"order-1";a=(1)']],
  ['a parameter in capitals', ['"order-1";A=1']],
  ['a backslash before anything else', ['"a\\b"']],
  ['a bare quote', ['a"b']],
  ['a bare backslash', ['a\\b']],
  ['a space in the quotes', ['"a b"']],
  ['a bare space', ['a b']],
  ['a tab', ['"a\tb"']],
  ['letters beyond ASCII', ['"clé"']],
  ['bytes beyond ASCII, bare', ['\xff\xfe']],
]

function visible(): string {
  return Array.from({ length: 0x7e - 0x20 }, (_, at) => String.fromCharCode(0x21 + at)).join('')
}

function quoted(key: string): string {
  return `"${key.replaceAll(/["\\]/g, '\\$&')}"`
}

const lines = (values: readonly string[]) => values.map((value) => `Idempotency-Key: ${value}`)

const rows: Row[] = [
  ...valid.map(
    ([what, values, key]): Row => ({
      name: `${what} is a key`,
      check: async ({ serve }) => {
        const service = await serve([['idempotency']], ({ holdfast }) =>
          json(holdfast.idempotency?.key),
        )
        const [answer] = parseAnswers(
          await exchange(service.port, requestText({}, ...lines(values))),
        )
        expect(answer).toEqual({ status: 200, body: JSON.stringify(key) })
      },
    }),
  ),
  ...invalid.map(
    ([what, values]): Row => ({
      name: `${what} is refused, and the store is not asked`,
      check: async ({ serve, store }) => {
        const service = await serve([['idempotency']], () => json('ran'))
        const [answer] = parseAnswers(
          await exchange(service.port, requestText({}, ...lines(values))),
        )
        expect(answer?.status).toBe(400)
        expect(JSON.parse(answer?.body ?? '').type).toMatch(/idempotency#key-invalid$/)
        expect(service.runs()).toBe(0)
        expect(store.calls).toEqual([])
      },
    }),
  ),
  {
    name: 'the quoted and the bare form are the same key',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], ({ run }) => json(run))
      const send = (key: string) =>
        service.client.post('/', { headers: { 'idempotency-key': key } })
      expect((await send('"k-1"')).json()).toBe(1)
      expect((await send('k-1')).json()).toBe(1)
      expect((await send('"k-1";v=2')).json()).toBe(1)
      expect((await send('k-2')).json()).toBe(2)
    },
  },
  {
    name: 'keys differ in case',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], ({ run }) => json(run))
      expect((await service.client.post('/', { key: 'a' })).json()).toBe(1)
      expect((await service.client.post('/', { key: 'A' })).json()).toBe(2)
    },
  },
  {
    name: 'a key may be as long as `maxKeyLength` says',
    check: async ({ serve }) => {
      const service = await serve([['idempotency', { maxKeyLength: 8 }]], ({ run }) => json(run))
      expect((await service.client.post('/', { key: '12345678' })).status).toBe(200)
      const refused = await service.client.post('/', { key: '123456789' })
      expectProblem(refused, problems.keyInvalid)
      expect(refused.json<{ detail: string }>().detail).toContain('8')
    },
  },
  {
    name: 'with `strictSyntax` the bare form is refused, and the quoted one is the same key as ever',
    check: async ({ serve, store }) => {
      const service = await serve([['idempotency', { strictSyntax: true }]], ({ run }) => json(run))
      const send = (key: string) =>
        service.client.post('/', { headers: { 'idempotency-key': key } })
      for (const bare of ['k-1', '7', '?1', ':aGVsbG8=:', '@1659578233', 'a;b']) {
        expectProblem(await send(bare), problems.keyInvalid)
      }
      expect(store.calls).toEqual([])
      expect((await send('"k-1"')).json()).toBe(1)
      expect((await send('"k-1"; v=1')).json()).toBe(1)
    },
  },
  {
    name: 'a refusal repeats nothing of the header',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], () => json('ran'))
      const answer = await service.client.post('/', {
        headers: { 'idempotency-key': '<script>alert(1)</script> x' },
      })
      expectProblem(answer, problems.keyInvalid)
      expect(answer.text).not.toContain('script')
    },
  },
]

export const keys: RowGroup = { subject: 'the Idempotency-Key header', rows }
