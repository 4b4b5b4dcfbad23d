// The response headers of a Node response, whichever way they were given.
import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Answer } from '../engine/index.ts'

/** What `writeHead` takes. */
export type HeadHeaders =
  | OutgoingHttpHeaders
  | readonly OutgoingHttpHeader[]
  | readonly (readonly [string, OutgoingHttpHeader])[]
  | undefined

/** The headers set so far, overlaid with those of `writeHead`, in lower case; several of one name stay several. */
export function headersOf(res: ServerResponse, head: HeadHeaders): Answer['headers'] {
  const given = pairsOf(head).map(([name, value]) => [name.toLowerCase(), value] as const)
  const overlaid = new Set(given.map(([name]) => name))
  const set = Object.entries(res.getHeaders()).filter(([name]) => !overlaid.has(name))
  return [...set, ...given].flatMap(([name, value]) =>
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
