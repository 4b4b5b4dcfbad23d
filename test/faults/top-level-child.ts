// A program whose last line is a top-level await: it must wait for the lock, and end by itself when its client is closed.

import { Checkpointer, LeaderElection, Lock, Semaphore } from 'holdfast'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { argument, tell } from '../support/parent.ts'

const { url, keyPrefix } = argument<{ url: string; keyPrefix: string }>()
const redis = new Redis(url)
const provider = new RedisAdapter(redis, { keyPrefix })
await redis.ping()
// A permit that is never released: its renewal must not keep the process alive.
await new Semaphore(2, { provider, key: 'kept' }).acquire()
// Nor must a task or a term whose function never ends.
const forever = () => new Promise(() => {})
void new Checkpointer(undefined, { provider, taskId: 'kept' }).run(forever)
void new LeaderElection(undefined, { provider, key: 'kept' }).run(forever)
tell('waiting')
const guard = await new Lock(undefined, { provider, key: 'awaited' }).acquire()
tell('acquired', { held: guard.held })
await redis.quit()
tell('closed')
