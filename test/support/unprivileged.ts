// The user that database servers run as: they refuse to run as root.

import { execFileSync } from 'node:child_process'
import { chownSync } from 'node:fs'

export interface RunAs {
  readonly uid?: number
  readonly gid?: number
}

/** For `spawn`: the user `postgres` when the tests run as root, else nobody else. */
export function unprivileged(): RunAs {
  if (process.getuid?.() !== 0) return {}
  const id = (what: '-u' | '-g'): number => Number(execFileSync('id', [what, 'postgres']))
  return { uid: id('-u'), gid: id('-g') }
}

/** Gives a folder to that user. */
export function handOver(folder: string, { uid, gid }: RunAs): void {
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid)
}
