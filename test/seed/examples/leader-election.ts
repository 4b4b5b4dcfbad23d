import { scope, Lock } from 'holdfast'
import type { RedisAdapter } from 'holdfast/redis'
import { adapter } from 'test-server'

class LeaderElection {
  private isLeader = false
  constructor(
    private adapter: RedisAdapter,
    private instanceId: string
  ) {}
  async runAsLeader(task: () => Promise<void>) {
    await using s = scope()
    const lock = new Lock(s.signal, {
      provider: this.adapter,
      key: 'leader:election',
      ttl: 10000, // 10 second TTL
      owner: this.instanceId
    })
    // Try to acquire leadership
    const [err] = await s.task(
      async () => {
        await using guard = await lock.acquire({ timeout: 1000 })
        this.isLeader = true
        console.log(`${this.instanceId} became leader`)
        // Execute leader task
        await task()
        this.isLeader = false
      }
    )
    if (err) {
      console.log(`${this.instanceId} is follower`)
    }
  }
}
// Use in multiple instances
const election = new LeaderElection(adapter, process.env.INSTANCE_ID)
setInterval(() => {
  election.runAsLeader(async () => {
    console.log('Running leader tasks...')
    await performLeaderTasks()
  })
}, 5000)
