// The response headers of a Node response, whichever way they were given.
import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Answer } from '../engine/index.ts'

/** What `writeHead` takes. */
export type HeadHeaders =
  | OutgoingHttpHeaders
  | readonly OutgoingHttpHeader[]
  | readonly (readonly [string, OutgoingHttpHeader])[]
  | undefined

/** The headers set so far, overlaid with those of `writeHead`, in lower case. */
export function headersOf(res: ServerResponse, head: HeadHeaders): Answer['headers'] {
  const all = new Map<string, OutgoingHttpHeader>()
  for (const [name, value] of Object.entries(res.getHeaders())) {
    if (value !== undefined) all.set(name.toLowerCase(), value)
  }
  for (const [name, value] of pairsOf(head)) all.set(name.toLowerCase(), value)
  return [...all].flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((each) => [name, String(each)] as const),
  )
}

/** `writeHead` takes an object, a list of pairs, or a flat list of names and values. */
function pairsOf(head: HeadHeaders): [string, OutgoingHttpHeader][] {
  if (!head) return []
  if (!Array.isArray(head)) {
    return Object.entries(head as OutgoingHttpHeaders).filter(
      (pair): pair is [string, OutgoingHttpHeader] => pair[1] !== undefined,
    )
  }
  const list = head as readonly unknown[]
  if (Array.isArray(list[0])) return list as [string, OutgoingHttpHeader][]
  const pairs: [string, OutgoingHttpHeader][] = []
  for (let at = 0; at + 1 < list.length; at += 2) {
    pairs.push([String(list[at]), list[at + 1] as OutgoingHttpHeader])
  }
  return pairs
}
