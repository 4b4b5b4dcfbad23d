// What a request was asked to do, as a short hash.
import { base64url } from './bytes.ts'
import type { Exchange, RequestBody } from './exchange.ts'
import { sha256 } from './sha256.ts'

/** The SHA-256 of several parts, told apart whatever they contain. */
export async function digest(parts: readonly (string | Uint8Array)[]): Promise<string> {
  const encoder = new TextEncoder()
  const chunks = parts.flatMap((part) => {
    const bytes = typeof part === 'string' ? encoder.encode(part) : part
    return [encoder.encode(`${bytes.length}:`), bytes]
  })
  const all = new Uint8Array(chunks.reduce((size, { length }) => size + length, 0))
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return base64url(await sha256(all))
}

/** The fingerprint of a request: method, path, query, media type and body. */
export function fingerprintOf(
  exchange: Pick<Exchange, 'method' | 'path' | 'query' | 'header'>,
  body: Extract<RequestBody, { kind: 'none' | 'bytes' | 'parsed' }>,
): Promise<string> {
  const { method, path, query } = exchange
  const mediaType = (exchange.header('content-type') ?? '').split(';', 1)[0] ?? ''
  return digest([method, path, query, mediaType.trim().toLowerCase(), content(body)])
}

function content(body: Extract<RequestBody, { kind: 'none' | 'bytes' | 'parsed' }>) {
  if (body.kind === 'none') return ''
  return body.kind === 'bytes' ? body.bytes : canonicalJson(body.value)
}

/** JSON with sorted keys: what was parsed has forgotten the order in which it was sent. */
export function canonicalJson(value: unknown): string {
  return (
    JSON.stringify(value, (_key, each: unknown) => {
      if (typeof each !== 'object' || each === null || Array.isArray(each)) return each
      const sorted = Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1))
      // fromEntries defines properties: a key named __proto__ stays a key.
      return Object.fromEntries(sorted)
    }) ?? ''
  )
}
