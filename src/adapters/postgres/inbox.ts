// The channel of an inbox: its name as PostgreSQL takes it for LISTEN and NOTIFY.
import { createHash } from 'node:crypto'

const PLAIN = /^[\w-]{1,50}$/

/** The channel of an inbox; distinct inboxes never share one. */
export function channelOf(inbox: string): string {
  // Channels are cut off after 63 bytes. A hash is longer than the plain part may be.
  return PLAIN.test(inbox)
    ? `holdfast_${inbox}`
    : `holdfast_${createHash('sha256').update(inbox).digest('hex').slice(0, 52)}`
}
