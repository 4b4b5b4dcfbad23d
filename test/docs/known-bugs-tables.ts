// The table of docs/known-bugs.md, drawn from the list of the bugs.

import { type KnownBug, knownBugs } from '../peers/known-bugs.ts'
import { type Tables, table } from './tables.ts'

export const knownBugsTables: Tables = {
  bugs: () =>
    table(
      ['', 'seen in', 'what went wrong', 'what shows that it is not here'],
      knownBugs.map((bug) => [bug.id, bug.seen, bug.wrong, shownBy(bug)]),
    ),
}

function shownBy({ tests, cannotOccur }: KnownBug): string {
  const links = tests.map((test) => {
    const [path, ...titles] = test.split(' › ')
    return `[${titles.join(' › ')}](../${path})`
  })
  return [...(cannotOccur ? [cannotOccur] : []), ...links].join('<br>')
}
