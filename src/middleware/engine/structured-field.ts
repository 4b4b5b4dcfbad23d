// Structured fields (RFC 9651) as far as guards write them: lists of strings with parameters.
import { refuse } from '../../core/expect.ts'

/** A String or an Integer. */
export type BareItem = string | number

/** A value with its parameters, in order. */
export interface Item {
  readonly value: BareItem
  readonly parameters?: readonly (readonly [name: string, value: BareItem])[]
}

const LARGEST_INTEGER = 999_999_999_999_999

/** A List, as a header has it. */
export function serializeList(items: readonly Item[]): string {
  return items.map(serializeItem).join(', ')
}

/** An Item. */
export function serializeItem({ value, parameters = [] }: Item): string {
  const named = parameters.map(([name, parameter]) => `;${name}=${serializeBareItem(parameter)}`)
  return serializeBareItem(value) + named.join('')
}

function serializeBareItem(value: BareItem): string {
  if (typeof value === 'string') {
    return `"${expectPrintable('value', value).replace(/["\\]/g, '\\$&')}"`
  }
  if (!Number.isInteger(value) || Math.abs(value) > LARGEST_INTEGER) {
    refuse('value', 'an integer of 15 digits at most', value)
  }
  // Minus zero has a sign that integers of the format have not.
  return String(value + 0)
}

/** Text of printable ASCII, which is all that a String of a field may contain. */
export function expectPrintable(option: string, text: string): string {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 0x20 || code > 0x7e) refuse(option, 'printable ASCII: it is sent in a header', text)
  }
  return text
}
