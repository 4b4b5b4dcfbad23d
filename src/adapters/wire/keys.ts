// Key names: distinct names never collide, and nothing in one is special to a store.
import { createHash } from 'node:crypto'
import { InvalidArgumentError } from '../../core/errors.ts'

const LONGEST = 200
/** The longest prefix that names can be found by, in ASCII characters. */
const LONGEST_PREFIX = 64
/** What stays readable of a long name: such a prefix, each character of which may take three. */
const READABLE = 3 * LONGEST_PREFIX

/** A name as the part of a key between braces: nothing in it can end the tag. */
export function escapeName(name: string): string {
  const escaped = encodeName(name)
  if (escaped.length <= LONGEST) return escaped
  // Only before a hash stands a tilde: everywhere else it is encoded.
  return `${escaped.slice(0, READABLE)}~${createHash('sha256').update(name).digest('base64url')}`
}

/** How all escaped names start that start with `prefix`, and no others. */
export function escapeStart(prefix: string): string {
  const start = encodeName(prefix)
  if (start.length <= READABLE) return start
  throw new InvalidArgumentError(
    `Expected a prefix of ${LONGEST_PREFIX} ASCII characters at most, got ${prefix.length}`,
  )
}

/** A prefix as the start of a key: braces in it would be taken for the hash tag, and no text of PostgreSQL holds a NUL. */
export function escapePrefix(prefix: string): string {
  return encodeRest(prefix, /[{}%]|\p{Cc}/gu)
}

function encodeName(name: string): string {
  return encodeRest(name, /[^A-Za-z0-9._:-]/gu)
}

function encodeRest(text: string, rest: RegExp): string {
  return text.replace(rest, (character) =>
    Array.from(
      Buffer.from(character),
      (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    ).join(''),
  )
}
