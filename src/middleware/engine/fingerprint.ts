// What a request was asked to do, as a short hash.
import { concat } from './bytes.ts'
import type { Exchange, RequestBody } from './exchange.ts'
import { sha256 } from './sha256.ts'

/** A body that can be told from another. */
type ReadBody = Extract<RequestBody, { kind: 'none' | 'bytes' | 'parsed' }>

/** The SHA-256 of several parts, told apart whatever they contain. */
export function digest(parts: readonly (string | Uint8Array)[]): Promise<string> {
  const chunks: Uint8Array[] = []
  let text = ''
  for (const part of parts) {
    if (typeof part === 'string') {
      text += `${utf8Length(part)}:${part}`
      continue
    }
    // Text is encoded in one piece, up to the next bytes.
    chunks.push(encoder.encode(`${text}${part.length}:`), part)
    text = ''
  }
  if (text !== '') chunks.push(encoder.encode(text))
  return sha256(concat(chunks))
}

const encoder = new TextEncoder()

function utf8Length(text: string): number {
  // Most are ASCII: one character is one byte.
  return /^[\0-\x7f]*$/.test(text) ? text.length : encoder.encode(text).length
}

/** Bytes of a body that was parsed, written as JSON. */
export function parsedSize({
  value,
  files = [],
}: Extract<RequestBody, { kind: 'parsed' }>): number {
  const text = JSON.stringify(value) ?? ''
  return files.reduce((size, { bytes }) => size + bytes.length, utf8Length(text))
}

/** The fingerprint of a request: method, path, query, media type and body. */
export function fingerprintOf(
  exchange: Pick<Exchange, 'method' | 'path' | 'query' | 'header'>,
  body: ReadBody,
): Promise<string> {
  const { method, path, query } = exchange
  const type = exchange.header('content-type') ?? ''
  const essence = type.split(';', 1)[0] ?? ''
  return digest([method, path, query, essence.trim().toLowerCase(), ...content(body, type)])
}

function content(body: ReadBody, type: string): readonly (string | Uint8Array)[] {
  if (body.kind === 'none') return ['']
  if (body.kind === 'bytes') return parts(body.bytes, type)
  const { value, files = [] } = body
  const described = files.flatMap(({ field, name, type: of, bytes }) => [field, name, of, bytes])
  return [canonicalJson(value), ...described]
}

const BOUNDARY = /^\s*multipart\/[^;]*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i

/** The parts of a multipart body, any other as one: clients draw a new boundary for each attempt, and it says nothing. */
function parts(bytes: Uint8Array, type: string): readonly (string | Uint8Array)[] {
  const [, quoted, bare] = BOUNDARY.exec(type) ?? []
  const boundary = quoted ?? bare
  // Latin-1 gives every byte a character of its own.
  return boundary ? new TextDecoder('latin1').decode(bytes).split(`--${boundary}`) : [bytes]
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
