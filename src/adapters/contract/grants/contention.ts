// Contention: what must hold for one caller at a time must hold for many at once.
import assert from 'node:assert/strict'
import type { GrantRequest } from '../../../core/ports.ts'
import { type ContractCheck, checks } from '../check.ts'
import { Contender } from '../contender.ts'
import { Process } from '../process.ts'
import { exclusive, permits, reader, writer } from '../requests.ts'
import type { Trial } from '../trial.ts'

/** Lets contenders of two processes hold again and again, and answers when all have had all their rounds. */
async function contend(
  trial: Trial,
  contenders: number,
  rounds: number,
  request: (contender: number) => GrantRequest,
  whileHeld: (token: number, request: GrantRequest) => Promise<void>,
): Promise<void> {
  const processes = [
    await Process.listening(trial),
    await Process.listening(trial, await trial.open()),
  ]
  const compete = async (number: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      const asked = request(number)
      const contender = new Contender(processes[number % 2] as Process, asked)
      await whileHeld(await contender.hold(), asked)
      assert.equal(await contender.release(), true, 'A holder lost what it held')
    }
  }
  await Promise.all(Array.from({ length: contenders }, (_, number) => compete(number)))
  assert.deepEqual(await trial.grants.inspect(trial.name), { holders: [], waiters: [] })
}

/** That many contenders change nothing. */
export const contentionChecks: readonly ContractCheck[] = checks('grants', {
  'of many contenders one holds at a time, and all get their rounds': async (trial) => {
    const tokens: number[] = []
    let inside = 0
    await contend(
      trial,
      12,
      8,
      () => exclusive(trial.name),
      async (token) => {
        inside++
        assert.equal(inside, 1, `${inside} hold at the same time`)
        tokens.push(token)
        await trial.pass(1)
        inside--
      },
    )
    assert.deepEqual(
      tokens,
      [...tokens].sort((a, b) => a - b),
      'Tokens must grow in the order of the grants',
    )
    assert.equal(new Set(tokens).size, tokens.length, 'Tokens must be unique')
  },

  'of many readers and writers no writer is ever beside anybody': async (trial) => {
    let readers = 0
    let writers = 0
    await contend(
      trial,
      10,
      8,
      (contender) => (contender % 5 === 0 ? writer(trial.name) : reader(trial.name)),
      async (_token, { exclusive: writes }) => {
        if (writes) writers++
        else readers++
        const alone = writers === 0 || (writers === 1 && readers === 0)
        assert.ok(alone, `${writers} writers beside ${readers} readers`)
        await trial.pass(1)
        if (writes) writers--
        else readers--
      },
    )
  },

  'of many contenders no more permits are held than there are': async (trial) => {
    let held = 0
    let most = 0
    await contend(
      trial,
      12,
      6,
      (contender) => permits(trial.name, 1 + (contender % 3), 4),
      async (_token, { weight }) => {
        held += weight
        most = Math.max(most, held)
        await trial.pass(1)
        held -= weight
      },
    )
    assert.ok(most <= 4, `${most} of 4 permits were held`)
  },

  'waiters that give up at any moment leave nothing behind': async (trial) => {
    const process = await Process.listening(trial)
    const attempt = async (number: number): Promise<void> => {
      const contender = new Contender(process, exclusive(trial.name))
      await contender.ask()
      await trial.pass(number % 7)
      await contender.release()
    }
    for (let round = 0; round < 5; round++) {
      await Promise.all(Array.from({ length: 20 }, (_, number) => attempt(number)))
    }
    assert.deepEqual(await trial.grants.inspect(trial.name), { holders: [], waiters: [] })
    await new Contender(process, exclusive(trial.name)).hold()
  },
})
