// The ways in which a handler can answer, by what the client must see; each framework has its own calls for them.

export type Headers = readonly (readonly [name: string, value: string])[]

interface Whole {
  readonly status?: number
  readonly headers?: Headers
}

type Chunks = () => AsyncIterable<string>

export type Reply = Whole &
  (
    | { readonly as: 'json'; readonly value: unknown }
    | { readonly as: 'text'; readonly text: string }
    | { readonly as: 'bytes'; readonly bytes: Uint8Array }
    /** Nothing but the last call: `res.end(text)`, `new Response(text)`. */
    | { readonly as: 'end'; readonly text: string }
    /** No body at all. */
    | { readonly as: 'empty' }
    | { readonly as: 'redirect'; readonly to: string }
    /** Several pieces that are there at once. */
    | { readonly as: 'pieces'; readonly pieces: readonly string[] }
    /** Pieces as they come; `length` is announced where it is known. */
    | { readonly as: 'stream'; readonly chunks: Chunks; readonly length?: number }
    /** The same by the framework's or the runtime's own streaming: a pipeline, `hono/streaming`. */
    | { readonly as: 'piped'; readonly chunks: Chunks }
    | { readonly as: 'events'; readonly chunks: Chunks }
    | { readonly as: 'file'; readonly path: string }
    /** Status and headers in one call, in each of the forms that it takes. */
    | {
        readonly as: 'head'
        readonly form: 'object' | 'pairs' | 'flat'
        readonly text: string
      }
    /** The answer is thrown away by its handler: the connection breaks. */
    | { readonly as: 'broken-off' }
  )

export const json = (value: unknown, status = 200, headers: Headers = []): Reply => ({
  as: 'json',
  value,
  status,
  headers,
})

export const text = (content: string, status = 200, headers: Headers = []): Reply => ({
  as: 'text',
  text: content,
  status,
  headers,
})
