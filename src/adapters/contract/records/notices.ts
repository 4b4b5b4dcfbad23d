// Notices: those who wait for a record are told of its end; a store without messages keeps all these promises.
import assert from 'node:assert/strict'
import type { Notice } from '../../../core/ports.ts'
import { type ContractCheck, checks } from '../check.ts'
import { listen } from '../listen.ts'
import { begun } from '../replies.ts'
import { kept, once, outcome } from '../requests.ts'
import { freshId, type Trial } from '../trial.ts'

/** Another process that listens; undefined when the store has no messages. */
class Ear {
  readonly heard: string[] = []
  readonly #trial: Trial
  readonly #channel: string

  private constructor(trial: Trial, channel: string) {
    this.#trial = trial
    this.#channel = channel
  }

  static async open(trial: Trial): Promise<Ear | undefined> {
    const { signals } = await trial.open()
    const ear = new Ear(trial, freshId())
    const listening = await listen(trial, signals, ear.#channel, {
      message: (text) => void ear.heard.push(text),
    })
    return listening && ear
  }

  notice(text: string): Notice {
    return { channel: this.#channel, text }
  }

  /** Waits for a text; answers everything that was heard until then. */
  until(text: string): Promise<readonly string[]> {
    return this.#trial.until(`to hear '${text}'`, async () => {
      return this.heard.includes(text) && this.heard
    })
  }
}

/** A check of a store that can tell. */
function heard(check: (trial: Trial, ear: Ear) => Promise<void>): (trial: Trial) => Promise<void> {
  return async (trial) => {
    const ear = await Ear.open(trial)
    if (ear) await check(trial, ear)
  }
}

/** That whoever waits is told, and nobody is told for nothing. */
export const noticeChecks: readonly ContractCheck[] = checks('records', {
  'whoever waits for an outcome is told when it is kept': heard(async ({ records, name }, ear) => {
    const claim = once(name)
    await begun('claimed', records, claim)
    await begun('running', records, once(name, { waits: true }))
    const notice = ear.notice('kept\n{"😀":1}')
    await records.commit(outcome(claim, 'paid', { notice }))
    assert.deepEqual(await ear.until(notice.text), [notice.text])
    assert.equal((await begun('done', records, once(name))).value, 'paid')
  }),

  'whoever waits for an outcome is told when its claim is dropped': heard(
    async ({ records, name }, ear) => {
      const claim = once(name)
      await begun('claimed', records, claim)
      await begun('running', records, once(name, { waits: true }))
      await records.drop(name, claim.id, ear.notice('dropped'))
      assert.deepEqual(await ear.until('dropped'), ['dropped'])
    },
  ),

  'the end of an execution that nobody waits for is told to nobody': heard(
    async ({ records, name }, ear) => {
      for (const waits of [undefined, false]) {
        const claim = once(name, { waits: true })
        await begun('claimed', records, claim)
        await begun('running', records, once(name, { waits }))
        await records.drop(name, claim.id, ear.notice('dropped'))
      }
      const claim = once(name)
      await begun('claimed', records, claim)
      await records.commit(outcome(claim, 'paid', { notice: ear.notice('kept') }))
      await records.put(kept(name, 'put', { notice: ear.notice('put') }))
      assert.deepEqual(await ear.until('put'), ['put'])
    },
  ),

  'who waited for one execution is not told of the next': heard(async ({ records, name }, ear) => {
    const first = once(name)
    await begun('claimed', records, first)
    await begun('running', records, once(name, { waits: true }))
    await records.put(kept(name, 'put', { freshFor: 1 }))
    await records.remove(name)
    const second = once(name)
    await begun('claimed', records, second)
    await records.commit(outcome(second, 'paid', { notice: ear.notice('kept') }))
    await records.remove(name, ear.notice('removed'))
    assert.deepEqual(await ear.until('removed'), ['removed'])
  }),

  'what is put, removed or cleared is told, whoever waits': heard(
    async ({ records, name }, ear) => {
      await records.put(kept(name, 'put', { notice: ear.notice('put') }))
      await ear.until('put')
      for (const text of ['removed', 'removed again']) {
        await records.remove(name, ear.notice(text))
        await ear.until(text)
      }
      await records.clear(`${name}:`, ear.notice('cleared'))
      assert.deepEqual(await ear.until('cleared'), ['put', 'removed', 'removed again', 'cleared'])
    },
  ),
})
