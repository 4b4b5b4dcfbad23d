// The adapter as a whole: how it connects and disconnects, and what it says of itself.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from './check.ts'
import { busy, granted } from './replies.ts'
import { exclusive } from './requests.ts'

/** What an adapter promises besides its ports. */
export const adapterChecks: readonly ContractCheck[] = checks('adapter', {
  'connecting is optional, and may be done twice': async (trial) => {
    const unconnected = await trial.open()
    await granted(unconnected.grants, exclusive(`${trial.name}:unconnected`))
    const adapter = await trial.open()
    await Promise.all([adapter.connect(), adapter.connect()])
    await adapter.connect()
    assert.equal(adapter.isConnected(), true)
    await granted(adapter.grants, exclusive(trial.name))
  },

  'an adapter that was used is connected': async (trial) => {
    await granted(trial.grants, exclusive(trial.name))
    assert.equal(trial.adapter.isConnected(), true)
  },

  'disconnecting may be done twice, and unused': async (trial) => {
    const adapter = await trial.open()
    await adapter.disconnect()
    await adapter.disconnect()
  },

  'what an adapter holds stays held when it disconnects': async (trial) => {
    const leaving = await trial.open()
    await granted(leaving.grants, exclusive(trial.name))
    await leaving.disconnect()
    await busy(trial.grants, exclusive(trial.name))
  },

  'an adapter that disconnects takes no other with it': async (trial) => {
    const leaving = await trial.open()
    const staying = await trial.open()
    await granted(staying.grants, exclusive(trial.name))
    await leaving.disconnect()
    await busy(staying.grants, exclusive(trial.name))
  },

  'the deadline of a call is a positive number of milliseconds': async ({ adapter }) => {
    assert.ok(adapter.deadline > 0, `Expected a deadline, got ${adapter.deadline}`)
  },
})
