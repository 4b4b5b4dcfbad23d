// The view of a resource: who holds, who waits, and what they said of themselves.
import assert from 'node:assert/strict'
import type { Meta } from '../../../core/ports.ts'
import { type ContractCheck, checks } from '../check.ts'
import { Contender } from '../contender.ts'
import { Process } from '../process.ts'
import { granted, within } from '../replies.ts'
import { exclusive, LONG, permits } from '../requests.ts'

const OWNERS = [
  'worker-1',
  'a:b:c',
  '"quoted" and \\slashed\\',
  'two\nlines\tand a tab',
  'Grüße 😀 \u0000 \u2028',
  '{"t":"x","o":"y"}',
  '__proto__',
  'x'.repeat(2_000),
]

/** That what the store shows is what was asked. */
export const inspectChecks: readonly ContractCheck[] = checks('grants', {
  'holders and waiters are shown with what they asked for': async (trial) => {
    const process = await Process.listening(trial)
    const meta = { owner: 'first', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }
    const holder = permits(trial.name, 3, 4, { meta, ttl: LONG })
    const token = await granted(trial.grants, holder)
    const waiter = permits(trial.name, 2, 4, { meta: { owner: 'second' } })
    const last = exclusive(trial.name)
    await new Contender(process, waiter).queue()
    await new Contender(process, last).queue()
    const view = await trial.grants.inspect(trial.name)
    assert.equal(view.holders.length, 1)
    const [shown] = view.holders
    within('what remains', shown?.remaining ?? 0, LONG / 2, LONG)
    assert.deepEqual(
      { ...shown, remaining: 0, meta: { ...shown?.meta } },
      { id: holder.id, weight: 3, exclusive: false, token, remaining: 0, meta },
    )
    assert.deepEqual(
      view.waiters.map(({ id, weight, exclusive: alone }) => ({ id, weight, exclusive: alone })),
      [
        { id: waiter.id, weight: 2, exclusive: false },
        { id: last.id, weight: 1, exclusive: true },
      ],
    )
    assert.deepEqual(
      view.waiters.map(({ meta }) => meta.owner),
      ['second', undefined],
    )
  },

  'nothing is shown of a resource that nobody asked for': async ({ grants, name }) => {
    assert.deepEqual(await grants.inspect(name), { holders: [], waiters: [] })
  },

  'what travels with a grant arrives as it was given': async ({ grants, name }) => {
    const given: Meta[] = OWNERS.map((owner) => ({ owner }))
    for (const meta of given) await granted(grants, permits(name, 1, OWNERS.length, { meta }))
    const view = await grants.inspect(name)
    assert.deepEqual(view.holders.map(({ meta }) => meta.owner).sort(), [...OWNERS].sort())
  },

  'what travels with a waiter is still there when it holds': async (trial) => {
    const process = await Process.listening(trial)
    for (const owner of OWNERS) {
      const holder = new Contender(process, exclusive(trial.name))
      await holder.hold()
      const waiter = new Contender(process, exclusive(trial.name, { meta: { owner } }))
      await waiter.queue()
      await holder.release()
      await waiter.turn()
      const [shown] = (await trial.grants.inspect(trial.name)).holders
      assert.equal(shown?.meta.owner, owner)
      await waiter.release()
    }
  },
})
