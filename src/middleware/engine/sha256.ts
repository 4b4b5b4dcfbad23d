// SHA-256 by the fastest way that the runtime has.
import type * as nodeCrypto from 'node:crypto'
import { base64url } from './bytes.ts'

// Asked for and not imported, so that this loads where the built-in is missing.
const { process } = globalThis as {
  process?: { getBuiltinModule?: (id: string) => typeof nodeCrypto | undefined }
}
const builtin = process?.getBuiltinModule?.('node:crypto')

/**
 * The hash of some bytes in base64 for names; at once where that is possible, because WebCrypto's thread pool costs more
 * than the hash of a request.
 */
export async function sha256(bytes: Uint8Array): Promise<string> {
  // Not every runtime that has the module has this of it.
  if (builtin?.hash) return builtin.hash('sha256', bytes, 'base64url')
  if (builtin) return builtin.createHash('sha256').update(bytes).digest('base64url')
  const hash = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)
  return base64url(new Uint8Array(hash))
}
