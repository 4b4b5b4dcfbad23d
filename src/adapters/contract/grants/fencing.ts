// Fencing tokens: a later exclusive holder has a greater one.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { Contender } from '../contender.ts'
import { Process } from '../process.ts'
import { granted } from '../replies.ts'
import { exclusive, SHORT } from '../requests.ts'

const ROUNDS = 20

/** That tokens order exclusive holders. */
export const fencingChecks: readonly ContractCheck[] = checks('grants', {
  'a token is a positive safe integer': async ({ grants, name }) => {
    const token = await granted(grants, exclusive(name))
    assert.ok(Number.isSafeInteger(token) && token > 0, `Expected a token, got ${token}`)
  },

  'every exclusive grant has a greater token than the one before': async (trial) => {
    const other = await trial.open()
    let last = 0
    for (let round = 0; round < ROUNDS; round++) {
      const { grants } = round % 2 ? trial.adapter : other
      const holder = exclusive(trial.name)
      const token = await granted(grants, holder)
      assert.ok(token > last, `Expected a token above ${last}, got ${token}`)
      last = token
      await grants.release(trial.name, holder.id)
    }
  },

  'the token is greater also when the holder before has lapsed': async (trial) => {
    const { grants, name } = trial
    const before = await granted(grants, exclusive(name, { ttl: SHORT }))
    const after = await trial.until('the next attempt to be granted', async () => {
      const reply = await grants.acquire(exclusive(name))
      return reply.state === 'granted' && reply.token
    })
    assert.ok(after > before, `Expected a token above ${before}, got ${after}`)
  },

  'the token is greater also when the grant was handed over': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    const before = await holder.hold()
    const waiter = await new Contender(process, exclusive(trial.name)).queue()
    await holder.release()
    const after = await waiter.turn()
    assert.ok(after > before, `Expected a token above ${before}, got ${after}`)
    await waiter.release()
    const last = await granted(trial.grants, exclusive(trial.name))
    assert.ok(last > after, `Expected a token above ${after}, got ${last}`)
  },
})
