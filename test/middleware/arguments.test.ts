// What the middlewares are told wrongly is found when they are made, before any request.

import { describe, expect, test } from 'vitest'
import { isInvalidArgumentError, MemoryAdapter } from '../../src/index.ts'
import * as express from '../../src/middleware/express/index.ts'
import * as hono from '../../src/middleware/hono/index.ts'

const wrong = {
  idempotency: {
    wait: [-1, '1s', null],
    commit: ['later', true, null],
    storeServerErrors: ['yes', 1],
    strictSyntax: ['yes', 1],
    required: ['yes', 1],
    takeover: ['yes'],
    ttl: [0, -1, '24h'],
    lease: [0, 1.5],
    maxKeyLength: [0, 1.5, 70_000, null],
    maxRequestBytes: [0, 2 ** 27, null],
    maxAnswerBytes: [0, '1mb', null],
    methods: ['POST', ['PO ST'], [7], null],
    headers: ['x-own', ['x own'], ['x-own\r\nx-evil: 1'], [''], null],
    replayHeader: ['', 'Idempotent Replayed', 'X:Y', 7, null],
    docsUrl: ['', 'https://shop.example/a b', 'https://shop.example/>; rel="next', 'a\r\nb', 7],
    scope: ['tenant', null, ''],
    fingerprint: ['body', null],
    recover: [{}],
    onStoreError: ['ignore'],
    problemBase: [''],
    skip: [true],
    provider: [{}, 'redis://localhost'],
    onRefused: [null, 'x', {}],
  },
  requestScope: {
    timeout: [0, -1, '10s'],
    detachOnDisconnect: ['yes', 1],
    provider: [{}],
    parent: [null, {}, 'scope', new AbortController().signal],
  },
  circuitBreaker: {
    at: [null, 'start'],
    onRefused: [null, 'x'],
  },
  lock: {
    onRefused: [null, 'x'],
  },
  semaphore: {
    ipv6Prefix: [null, 0, 129],
    onRefused: [null, 'x'],
  },
  timeout: {
    onRefused: [null, 'x'],
  },
  rateLimit: {
    mode: [null, 'off'],
    limit: [null],
    window: [null],
    burst: [null],
    maxWaiters: [null, 0],
    timeout: [null, -1],
    ipv6Prefix: [null, 0, 129],
    onRefused: [null, 'x'],
  },
  protect: {
    onRefused: [null, 'x'],
  },
} as const

/** What each guard needs besides the option that is wrong. */
const needed = {
  lock: { key: 'a' },
  semaphore: { limit: 1 },
  timeout: { timeout: 1_000 },
  rateLimit: { limit: 1, window: 1_000 },
}

const rules = [{ limit: 1, window: 1_000 }]

describe.each([
  ['express', express],
  ['hono', hono],
])('in %s', (_framework, middlewares) => {
  for (const [name, options] of Object.entries(wrong)) {
    const make = middlewares[name as keyof typeof wrong] as (options: unknown) => unknown
    const rest = needed[name as keyof typeof needed]
    test.each(
      Object.entries(options).flatMap(([option, values]) =>
        (values as readonly unknown[]).map((value) => [option, value] as const),
      ),
    )(`${name}() refuses %s: %j`, (option, value) => {
      const wrongly = () => make({ ...rest, [option]: value })
      expect(wrongly).toThrow(expect.toSatisfy(isInvalidArgumentError))
      expect(wrongly).toThrow(new RegExp(`\`${option}\``))
    })

    test(`${name}() refuses options that are none`, () => {
      for (const value of name === 'timeout'
        ? [null, undefined, 'options']
        : [null, 7, 'options']) {
        expect(() => make(value)).toThrow(expect.toSatisfy(isInvalidArgumentError))
      }
    })
  }

  test.each([
    [{ rules, limit: null }, 'Expected `rules`, or `limit` and `window`'],
    [{ rules, window: null }, 'Expected `rules`, or `limit` and `window`'],
    [{ rules, burst: null }, 'Expected `rules`, or `limit` and `window`'],
    [{ rules: null }, '`rules`'],
    [{ rules: [{ limit: 1, window: 1_000, name: null }] }, '`name`'],
  ])('rateLimit() refuses %j', (options, message) => {
    const make = () => middlewares.rateLimit(options as never)
    expect(make).toThrow(expect.toSatisfy(isInvalidArgumentError))
    expect(make).toThrow(message)
  })

  test.each(['idempotency', 'timeout', 'rateLimit', 'circuitBreaker', 'lock', 'semaphore'])(
    'protect() takes nothing but options for %s: what is meant to guard a route is not left out silently',
    (kind) => {
      for (const value of [null, false, true, 'all', '']) {
        const make = () => middlewares.protect({ [kind]: value })
        expect(make).toThrow(expect.toSatisfy(isInvalidArgumentError))
        expect(make).toThrow(`Expected \`${kind}\` to be`)
      }
      expect(() => middlewares.protect({ [kind]: undefined })).not.toThrow()
    },
  )

  test('a drain refuses what is no server and no time', async () => {
    const scopes = middlewares.requestScope({ provider: new MemoryAdapter() })
    for (const options of [null, { server: {} }, { timeout: -1 }, { grace: 0 }]) {
      await expect(scopes.drain(options as never)).rejects.toSatisfy(isInvalidArgumentError)
    }
    expect(scopes.draining).toBe(false)
    expect(await scopes.drain()).toEqual({ aborted: 0, abandoned: 0 })
    expect(scopes.draining).toBe(true)
  })
})
