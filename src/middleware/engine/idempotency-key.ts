// The Idempotency-Key request header (draft-ietf-httpapi-idempotency-key-header-07, RFC 9651 §3.3.3).

/** Visible ASCII: neither control, nor space, nor beyond. */
const VISIBLE = /^[\x21-\x7e]+$/
/** What a parameter may be: a date, a decimal, an integer, a string, a token, bytes, a boolean, a display string. */
const BARE_ITEM = [
  String.raw`@-?\d{1,15}`,
  String.raw`-?\d{1,12}\.\d{1,3}`,
  String.raw`-?\d{1,15}`,
  String.raw`"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"`,
  String.raw`[A-Za-z*][!#$%&'*+.^_\x60|~0-9A-Za-z:/-]*`,
  ':[A-Za-z0-9+/=]*:',
  String.raw`\?[01]`,
  String.raw`%"(?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*"`,
].join('|')
const PARAMETER = new RegExp(`;\\x20*[a-z*][a-z0-9_.*-]*(?:=(?:${BARE_ITEM}))?`, 'y')

/** How keys may be written. */
export interface KeySyntax {
  /** The longest key, in characters. */
  readonly longest: number
  /** Whether the bare form is refused. */
  readonly strict?: boolean
}

/**
 * The key of a header value: the content of a structured-field String, whose parameters are ignored, or the bare form
 * that clients of payment services send. Undefined when it is neither.
 */
export function parseIdempotencyKey(
  value: string,
  { longest, strict = false }: KeySyntax,
): string | undefined {
  const trimmed = withoutBlanks(value)
  if (strict && !trimmed.startsWith('"')) return undefined
  const key = trimmed.startsWith('"') ? parseString(trimmed) : parseBare(trimmed)
  return key !== undefined && key.length <= longest && VISIBLE.test(key) ? key : undefined
}

/** By hand: a regular expression would look at a run of blanks once for each of them. */
function withoutBlanks(text: string): string {
  let from = 0
  let to = text.length
  while (isBlank(text[from])) from++
  while (to > from && isBlank(text[to - 1])) to--
  return text.slice(from, to)
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}

function parseBare(text: string): string | undefined {
  // A comma joins two headers of one name: which of the two keys counts cannot be told.
  return /[",\\]/.test(text) ? undefined : text
}

function parseString(text: string): string | undefined {
  let key = ''
  for (let at = 1; at < text.length; at++) {
    const character = text[at]
    if (character === '"') return onlyParameters(text, at + 1) ? key : undefined
    if (character === '\\') {
      const escaped = text[++at]
      if (escaped !== '"' && escaped !== '\\') return undefined
      key += escaped
    } else {
      key += character
    }
  }
  return undefined
}

function onlyParameters(text: string, from: number): boolean {
  for (let at = from; at < text.length; at = PARAMETER.lastIndex) {
    PARAMETER.lastIndex = at
    if (!PARAMETER.test(text)) return false
  }
  return true
}
