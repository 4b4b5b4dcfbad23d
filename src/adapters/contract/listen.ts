// Listening on a channel, as far as the store has messages.
import type { Listening, SignalListener, Signals } from '../../core/ports.ts'
import type { Trial } from './trial.ts'

/** Listens, or answers nothing when the store has no messages. */
export async function listen(
  trial: Trial,
  signals: Signals,
  channel: string,
  listener: Partial<SignalListener> = {},
): Promise<Listening | undefined> {
  try {
    const all = { message: () => {}, restored: () => {}, ...listener }
    const listening = await signals.listen(channel, all)
    trial.onEnd(() => listening.close())
    return listening
  } catch {
    return undefined
  }
}
