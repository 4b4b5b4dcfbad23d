// Names of resources: any well-formed text, and distinct ones never meet.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { hostileNames } from '../hostile-names.ts'
import { busy, holders } from '../replies.ts'
import { exclusive } from '../requests.ts'

/** That a name is only a name. */
export const nameChecks: readonly ContractCheck[] = checks('grants', {
  'resources with hostile or similar names are all held at the same time': async (trial) => {
    const { grants } = trial
    const held = hostileNames(trial.name).map((resource) => exclusive(resource))
    for (const request of held) {
      trial.onEnd(() => grants.release(request.resource, request.id))
      // A name that is not ours alone may be held for a moment by a run beside this one.
      await trial.until(
        `${JSON.stringify(request.resource.slice(0, 99))} to be granted`,
        async () => {
          return (await grants.acquire(request)).state === 'granted'
        },
      )
    }
    for (const { resource, id } of held) {
      assert.deepEqual(await holders(grants, resource), [id])
      await busy(grants, exclusive(resource))
    }
    for (const { resource, id } of held) {
      assert.equal(await grants.release(resource, id), true)
    }
  },
})
