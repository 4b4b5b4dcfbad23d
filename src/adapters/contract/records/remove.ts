// Removing records: one by its name, or all whose names start alike.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { begun } from '../replies.ts'
import { kept, LONG, once, outcome } from '../requests.ts'
import { freshId } from '../trial.ts'

const MANY = 300
const LETTERS = 'x'.repeat(300)

/** That what was removed is gone, and nothing else is. */
export const removeChecks: readonly ContractCheck[] = checks('records', {
  'a removed outcome is forgotten, and the next request claims': async ({ records, name }) => {
    const claim = once(name, { fingerprint: 'one' })
    const { token } = await begun('claimed', records, claim)
    await records.commit(outcome(claim, 'paid'))
    assert.equal(await records.remove(name), true)
    assert.equal(await records.remove(name), false)
    const next = await begun('claimed', records, once(name, { fingerprint: 'two' }))
    assert.deepEqual([next.lost, next.stale], [undefined, undefined])
    assert.ok(next.token > token, `Expected a token above ${token}, got ${next.token}`)
  },

  'a remove ends the claim: what it was executing is not kept': async ({ records, name }) => {
    const claim = once(name)
    await begun('claimed', records, claim)
    assert.equal(await records.remove(name), true)
    assert.equal(await records.commit(outcome(claim, 'late')), false)
    assert.equal(await records.renew(name, claim.id, LONG), false)
    await begun('claimed', records, once(name))
  },

  'a clear removes all records whose names start so, in every process': async (trial) => {
    const { records, name } = trial
    const other = await trial.open()
    const names = Array.from({ length: MANY }, (_, i) => `${name}:a:${i}`)
    names.push(`${name}:a:`, `${name}:a:${LETTERS}`, `${name}:a:\n{}%😀`)
    await Promise.all(names.map((record) => records.put(kept(record, 'kept'))))
    const claim = once(`${name}:a:claimed`)
    await begun('claimed', other.records, claim)
    await records.clear(`${name}:a:`)
    assert.equal(await other.records.commit(outcome(claim, 'late')), false)
    const left = await Promise.all(names.map((record) => other.records.remove(record)))
    assert.equal(left.filter(Boolean).length, 0, 'Some records were not removed')
  },

  'a clear leaves every other record, also with a prefix that stores take for a pattern': async ({
    records,
    name,
  }) => {
    for (const wild of ['*', '?', '[a-z]', '%', '_', '\\', '{', '^', '.']) {
      const prefix = `${name}:${wild}`
      const others = [`${name}:x:y`, `${name}:`, `x${prefix}`, prefix.toUpperCase(), `${name}:a`]
      await Promise.all(
        [prefix, `${prefix}y`, ...others].map((each) => records.put(kept(each, ''))),
      )
      await records.clear(prefix)
      const gone = [await records.remove(prefix), await records.remove(`${prefix}y`)]
      assert.deepEqual(gone, [false, false], `'${wild}' was not removed`)
      for (const each of others) {
        if (each.startsWith(prefix)) continue
        assert.equal(await records.remove(each), true, `'${each}' went with '${wild}'`)
      }
    }
  },

  'a clear goes by all of a prefix of 64 characters, whatever they are': async ({ records }) => {
    for (const odd of [' ', '{', '%', '~', '\u0000', 'x']) {
      const start = freshId().padEnd(62, odd)
      const ours = [
        `${start}A:`,
        `${start}A:1`,
        `${start}A:${LETTERS}`,
        `${start}A:${odd.repeat(200)}`,
      ]
      const others = [`${start}B:`, `${start}B:1`, `${start}B:${LETTERS}`, `${start}A`, start]
      await Promise.all([...ours, ...others].map((each) => records.put(kept(each, ''))))
      await records.clear(`${start}A:`)
      for (const each of ours) assert.equal(await records.remove(each), false, `'${each}' stayed`)
      for (const each of others) assert.equal(await records.remove(each), true, `'${each}' went`)
    }
  },

  'clearing where nothing is, is harmless': async ({ records, name }) => {
    await records.clear(`${name}:`)
    await begun('claimed', records, once(name))
  },
})
