// The body of a Response: complete already, or a stream that is watched to its end.
import { concat } from '../engine/index.ts'

type Body = ReadableStream<Uint8Array<ArrayBuffer>>
type Read = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>['read']>>

/** A body that was complete, or one that still flows. */
export type Peeked =
  | { readonly kind: 'complete'; readonly bytes: Uint8Array<ArrayBuffer> }
  | ({ readonly kind: 'flowing' } & Watched)

/** A stream that is watched. */
interface Watched {
  readonly body: Body
  /** Whether it failed; one that its client cancelled has not. */
  readonly ended: Promise<{ readonly failed: boolean }>
  /** Ends it because nobody reads it any more, and nobody says so. */
  readonly abandon: () => void
  /** Ends the stream with an error: what has left already must not look complete. */
  readonly breakOff: () => void
}

/**
 * Reads a body that is complete within this turn of the event loop, or that `bounded` promises to be short.
 *
 * Any other is a stream: what was read is put back in front, its chunks pass as they come, and it closes only when
 * `beforeClose` has resolved.
 */
export async function peekBody(
  body: Body,
  limit: number,
  bounded: boolean,
  beforeClose: () => Promise<void>,
): Promise<Peeked> {
  const reader = body.getReader()
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  const turn = bounded ? undefined : endOfTurn()
  for (;;) {
    const reading = reader.read()
    const read = await (turn ? Promise.race([reading, turn]) : reading).catch(
      () => 'failed' as const,
    )
    if (typeof read === 'object' && read.done) {
      return { kind: 'complete', bytes: concat(chunks) as Uint8Array<ArrayBuffer> }
    }
    if (typeof read !== 'object') {
      return { kind: 'flowing', ...watched(reader, chunks, reading, beforeClose) }
    }
    chunks.push(read.value)
    // What is not bytes is left to whoever sends it: some runtimes send text too.
    const areBytes = read.value instanceof Uint8Array
    if (areBytes) size += read.value.length
    if (!areBytes || size > limit) {
      return { kind: 'flowing', ...watched(reader, chunks, undefined, beforeClose) }
    }
  }
}

function endOfTurn(): Promise<'over'> {
  return new Promise((resolve) => {
    setTimeout(() => resolve('over'), 0)
  })
}

function watched(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  chunks: Uint8Array<ArrayBuffer>[],
  pending: Promise<Read> | undefined,
  beforeClose: () => Promise<void>,
): Watched {
  let end: (how: { failed: boolean }) => void = () => {}
  const ended = new Promise<{ failed: boolean }>((resolve) => {
    end = resolve
  })
  let next = pending
  let cancelled = false
  let sink: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined
  const body: Body = new ReadableStream(
    {
      start(controller) {
        sink = controller
      },
      async pull(controller) {
        if (chunks.length > 0) {
          controller.enqueue(chunks.shift() as Uint8Array<ArrayBuffer>)
          return
        }
        try {
          const read = await (next ?? reader.read())
          next = undefined
          // A pull that resolves after the cancellation has nobody to give its chunk to.
          if (cancelled) return
          if (!read.done) {
            controller.enqueue(read.value)
            return
          }
          end({ failed: false })
          await beforeClose()
          if (!cancelled) controller.close()
        } catch (error) {
          end({ failed: true })
          if (!cancelled) controller.error(error)
        }
      },
      async cancel(reason) {
        cancelled = true
        end({ failed: false })
        await reader.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
  const abandon = (): void => {
    cancelled = true
    end({ failed: false })
    void reader.cancel().catch(() => {})
  }
  const breakOff = (): void => {
    abandon()
    sink?.error(new Error('The request lost what it held'))
  }
  return { body, ended, abandon, breakOff }
}
