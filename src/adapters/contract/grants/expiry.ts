// Expiry: what a dead holder took comes back when its time is over.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { Contender } from '../contender.ts'
import { Process } from '../process.ts'
import { busy, granted, holders, within } from '../replies.ts'
import { exclusive, LONG, permits, SHORT } from '../requests.ts'

const TEN_YEARS = 315_360_000_000

/** That grants end by the store's clock. */
export const expiryChecks: readonly ContractCheck[] = checks('grants', {
  'a holder that died is replaced when its time is over': async (trial) => {
    const { grants, name } = trial
    const other = await trial.open()
    await granted(grants, exclusive(name, { ttl: SHORT }))
    await trial.until('the next attempt to be granted', async () => {
      return (await other.grants.acquire(exclusive(name))).state === 'granted'
    })
  },

  'a lapsed holder is not shown any more': async (trial) => {
    const { grants, name } = trial
    await granted(grants, exclusive(name, { ttl: SHORT }))
    await trial.until('the lapsed holder to disappear', async () => {
      return (await holders(grants, name)).length === 0
    })
  },

  'of several holders only the lapsed one gives its share back': async (trial) => {
    const { grants, name } = trial
    await granted(grants, permits(name, 1, 3, { ttl: LONG }))
    await granted(grants, permits(name, 1, 3, { ttl: SHORT }))
    await granted(grants, permits(name, 1, 3, { ttl: LONG }))
    await trial.until('one permit to come back', async () => {
      return (await grants.acquire(permits(name, 1, 3))).state === 'granted'
    })
    await busy(grants, permits(name, 1, 3))
  },

  'holders that lapse one after the other each give their share back': async (trial) => {
    const { grants, name } = trial
    for (const ttl of [SHORT, 3 * SHORT, 5 * SHORT, LONG]) {
      await granted(grants, permits(name, 1, 4, { ttl }))
    }
    for (let back = 1; back <= 3; back++) {
      await trial.until(`permit ${back} of 3 to come back`, async () => {
        return (await grants.acquire(permits(name, 1, 4))).state === 'granted'
      })
    }
    await busy(grants, permits(name, 1, 4))
  },

  'a lapsed grant comes back with its whole weight': async (trial) => {
    const { grants, name } = trial
    await granted(grants, permits(name, 4, 5, { ttl: SHORT }))
    await trial.until('all permits to come back', async () => {
      return (await grants.acquire(permits(name, 5, 5))).state === 'granted'
    })
  },

  'a waiter is called when the holder before it has lapsed': async (trial) => {
    const process = await Process.listening(trial)
    await granted(trial.grants, exclusive(trial.name, { ttl: 5 * SHORT }))
    const waiter = new Contender(process, exclusive(trial.name))
    await waiter.hold()
    assert.deepEqual(await holders(trial.grants, trial.name), [waiter.id])
  },

  'the hint says when the earliest of several holders lapses': async (trial) => {
    const process = await Process.listening(trial)
    await granted(trial.grants, permits(trial.name, 1, 2, { ttl: 4 * LONG }))
    await granted(trial.grants, permits(trial.name, 1, 2, { ttl: LONG }))
    const waiter = new Contender(process, permits(trial.name, 1, 2))
    const reply = await waiter.ask()
    assert.equal(reply.state, 'queued')
    within('the hint', 'hint' in reply ? reply.hint : -1, LONG / 2, LONG)
    const { hint } = await process.beat(trial.name, [waiter.id])
    within('the hint of a beat', hint, LONG / 2, LONG)
  },

  'the hint moves on when the earliest holder has lapsed': async (trial) => {
    const { grants, name } = trial
    await granted(grants, permits(name, 1, 2, { ttl: SHORT }))
    await granted(grants, permits(name, 1, 2, { ttl: LONG }))
    await trial.until('the hint to be that of the other', async () => {
      return (await busy(grants, permits(name, 2, 2))).hint > LONG / 2
    })
  },

  'a grant may last ten years': async ({ grants, name }) => {
    const holder = exclusive(name, { ttl: TEN_YEARS })
    await granted(grants, holder)
    const [shown] = (await grants.inspect(name)).holders
    within('what remains', shown?.remaining ?? 0, TEN_YEARS - LONG, TEN_YEARS)
    await busy(grants, exclusive(name))
    assert.equal(await grants.release(name, holder.id), true)
  },
})
