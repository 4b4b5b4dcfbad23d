// SHA-256 is the same whichever way the runtime has: records outlive a change of it.

import { afterEach, expect, test, vi } from 'vitest'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.resetModules()
})

// FIPS 180-2, appendix B.1.
const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'

test.each([
  ['with the built-in of Node', process],
  ['without it, by WebCrypto', undefined],
])('the hash of "abc" %s', async (_how, runtime) => {
  const digest = vi.spyOn(crypto.subtle, 'digest')
  vi.stubGlobal('process', runtime)
  vi.resetModules()
  const { sha256 } = await import('../../src/middleware/engine/sha256.ts')
  const hash = await sha256(new TextEncoder().encode('abc'))
  vi.unstubAllGlobals()
  expect(Buffer.from(hash, 'base64url').toString('hex')).toBe(abc)
  expect(digest).toHaveBeenCalledTimes(runtime ? 0 : 1)
  digest.mockRestore()
})
