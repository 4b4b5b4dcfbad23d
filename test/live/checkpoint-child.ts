// A worker of a long task, step by step as the test says: it resumes, saves, and tells what became of each save.

import { Checkpointer } from 'holdfast'
import { argument, hear, tell } from '../support/parent.ts'
import { openStore, type StoreAt } from '../support/server-store.ts'

const { store, lease } = argument<{ store: StoreAt; lease: number }>()
const { provider, close } = openStore(store)
const task = new Checkpointer<{ next: number }>(undefined, { provider, taskId: 'import', lease })

await task.run(async (run) => {
  tell('resumed', { state: run.state, token: run.fencingToken, sequence: run.sequence })
  for (;;) {
    const { next } = await hear<{ type: string; next?: number }>('save')
    if (next === undefined) return
    try {
      await run.save({ next })
      tell('saved', { sequence: run.sequence })
    } catch (error) {
      const { code, current } = error as { code?: string; current?: unknown }
      const { code: lost } = (run.signal.reason ?? {}) as { code?: string }
      tell('refused', { code, current, lost })
    }
  }
})
tell('ended')
await close()
