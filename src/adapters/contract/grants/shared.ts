// Shared grants: many readers or one writer, in phases.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { Contender } from '../contender.ts'
import { Process } from '../process.ts'
import { busy, granted, holders, within } from '../replies.ts'
import { reader, SHORT, writer } from '../requests.ts'

/** That readers share, that a writer is alone, and that neither starves. */
export const sharedChecks: readonly ContractCheck[] = checks('grants', {
  'readers hold together, in one process and in several': async (trial) => {
    const { grants, name } = trial
    const other = await trial.open()
    const readers = [reader(name), reader(name), reader(name)] as const
    await granted(grants, readers[0])
    await granted(grants, readers[1])
    await granted(other.grants, readers[2])
    assert.deepEqual([...(await holders(grants, name))].sort(), readers.map(({ id }) => id).sort())
  },

  'a writer does not get in beside a reader': async ({ grants, name }) => {
    await granted(grants, reader(name))
    await busy(grants, writer(name))
  },

  'a reader does not get in beside a writer, and takes nothing from it': async (trial) => {
    const { grants, name } = trial
    const meta = { owner: 'same' }
    const holder = writer(name, { meta })
    await granted(grants, holder)
    await busy(grants, reader(name, { meta }))
    await busy(grants, writer(name, { meta }))
    assert.deepEqual(await holders(grants, name), [holder.id])
  },

  'a writer gets in when the last reader has left': async (trial) => {
    const process = await Process.listening(trial)
    const first = new Contender(process, reader(trial.name))
    const last = new Contender(process, reader(trial.name))
    await first.hold()
    await last.hold()
    const waiting = await new Contender(process, writer(trial.name)).queue()
    await first.release()
    assert.deepEqual(await holders(trial.grants, trial.name), [last.id])
    await last.release()
    await waiting.turn()
    assert.deepEqual(await holders(trial.grants, trial.name), [waiting.id])
  },

  'readers that come after a waiting writer wait for it': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, reader(trial.name))
    await holder.hold()
    const waiting = await new Contender(process, writer(trial.name)).queue()
    await busy(trial.grants, reader(trial.name))
    const late = await new Contender(process, reader(trial.name)).queue()
    await holder.release()
    await waiting.turn()
    assert.deepEqual(await holders(trial.grants, trial.name), [waiting.id])
    await waiting.release()
    await late.turn()
  },

  'all readers behind a writer follow it together': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, writer(trial.name))
    await holder.hold()
    const readers: Contender[] = []
    for (let i = 0; i < 5; i++) {
      readers.push(await new Contender(process, reader(trial.name)).queue())
    }
    const next = await new Contender(process, writer(trial.name)).queue()
    await holder.release()
    await Promise.all(readers.map((each) => each.turn()))
    assert.deepEqual(
      [...(await holders(trial.grants, trial.name))].sort(),
      readers.map(({ id }) => id).sort(),
    )
    await Promise.all(readers.map((each) => each.release()))
    await next.turn()
  },

  'a reader that died keeps a writer out until its time is over, and no longer': async (trial) => {
    const process = await Process.listening(trial)
    await granted(trial.grants, reader(trial.name, { ttl: 5 * SHORT }))
    const waiting = new Contender(process, writer(trial.name))
    await waiting.hold()
    assert.deepEqual(await holders(trial.grants, trial.name), [waiting.id])
  },

  'readers of one phase share a token, so that they do not fence each other out': async (trial) => {
    const { grants, name } = trial
    const before = writer(name)
    const written = await granted(grants, before)
    await grants.release(name, before.id)
    const readers = [reader(name), reader(name), reader(name)]
    const tokens: number[] = []
    for (const each of readers) tokens.push(await granted(grants, each))
    assert.equal(new Set(tokens).size, 1)
    within('the token of the readers', tokens[0] ?? 0, written, Number.MAX_SAFE_INTEGER)
    for (const each of readers) await grants.release(name, each.id)
    const after = await granted(grants, writer(name))
    assert.ok(after > (tokens[0] ?? 0), `Expected a token above ${tokens[0]}, got ${after}`)
  },
})
