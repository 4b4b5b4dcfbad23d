// The Idempotency-Key request header (draft-ietf-httpapi-idempotency-key-header-07, RFC 9651 §3.3.3).

/** Visible ASCII: neither control, nor space, nor beyond. */
const VISIBLE = /^[\x21-\x7e]+$/
const PARAMETER = /;\x20*[a-z*][a-z0-9_.*-]*(?:=(?:"(?:[^"\\]|\\["\\])*"|[^\s;,"]+))?/y

/**
 * The key of a header value: the content of a structured-field String, whose parameters are ignored, or the bare form
 * that clients of payment services send. Undefined when it is neither.
 */
export function parseIdempotencyKey(value: string, longest: number): string | undefined {
  const trimmed = withoutBlanks(value)
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
