// The bugs that other libraries had where this one could have them, each with the tests of ours that would show it.

/** A bug that was seen elsewhere, by reading and running it. */
export interface KnownBug {
  readonly id: string
  /** The library, its version, and the part. */
  readonly seen: string
  readonly wrong: string
  /** The tests that fail where the bug is, as `file › title`. */
  readonly tests: readonly string[]
  /** Why it, or what no test shows of it, cannot occur here. */
  readonly cannotOccur?: string
}

export const knownBugs: readonly KnownBug[] = [
  {
    id: 'G1',
    seen: 'go-go-scope 2.9.1, lock',
    wrong:
      'A mutex granted only when exactly one waited: with a holder and two waiters, a release left both waiting for ever.',
    tests: [
      'test/core/lock.test.ts › a lock › lets the holder and all waiters go one after the other, in the order in which they came',
      'src/adapters/contract/grants/queue.ts › a free resource is given to each of two who wait, one after the other',
    ],
  },
  {
    id: 'G2',
    seen: 'go-go-scope 2.9.1, scope',
    wrong: 'A scope’s locks ignored the scope’s store: two processes held one lock.',
    tests: [
      'test/core/scope.test.ts › a lock made with a scope’s signal › uses the scope’s store, and a child scope’s too',
      'test/core/arguments.test.ts › a Lock refuses › a provider without a key: what is to be locked?',
    ],
  },
  {
    id: 'G3',
    seen: 'go-go-scope 2.9.1, read-write lock',
    wrong: 'A writer never looked for readers and was granted beside them.',
    tests: [
      'src/adapters/contract/grants/shared.ts › a writer does not get in beside a reader',
      'src/adapters/contract/grants/contention.ts › of many readers and writers no writer is ever beside anybody',
    ],
  },
  {
    id: 'G4',
    seen: 'go-go-scope 2.9.1, read-write lock',
    wrong:
      'A reader looked for a writer by taking and releasing the write key, which could delete the writer’s own lock.',
    tests: [
      'src/adapters/contract/grants/shared.ts › a reader does not get in beside a writer, and takes nothing from it',
    ],
  },
  {
    id: 'G5',
    seen: 'go-go-scope 2.9.1, lock on PostgreSQL',
    wrong:
      'The owner was that of the lock object and could take what it held: two acquires of one object both held.',
    tests: [
      'test/core/lock.test.ts › a lock › excludes a second acquire of the same object: it is not re-entrant',
      'src/adapters/contract/grants/exclusive.ts › a label is no identity: two attempts with the same owner exclude each other',
    ],
  },
  {
    id: 'G6',
    seen: 'go-go-scope 2.9.1, read-write lock on Redis',
    wrong: 'The second reader of one lock object collided with the first and timed out.',
    tests: [
      'test/core/read-write-lock.test.ts › readers › hold together',
      'src/adapters/contract/grants/shared.ts › readers hold together, in one process and in several',
    ],
  },
  {
    id: 'G7',
    seen: 'go-go-scope 2.9.1, lock on Redis',
    wrong:
      'A release read the owner and then deleted: between the two, it deleted the next holder’s lock.',
    tests: [
      'src/adapters/contract/grants/release.ts › a holder that lapsed cannot release the next holder',
      'test/faults/stall.test.ts › on Redis, the stalled holder throws at once and cannot release the next holder',
    ],
  },
  {
    id: 'G8',
    seen: 'go-go-scope 2.9.1, lock on Redis',
    wrong: 'A renewal read the owner and then prolonged: it prolonged the lock of somebody else.',
    tests: [
      'src/adapters/contract/grants/renewal.ts › a holder that lapsed cannot renew the grant of the next holder',
      'test/core/stall.test.ts › a holder that stalled cannot extend what it has lost',
    ],
  },
  {
    id: 'G9',
    seen: 'go-go-scope 2.9.1, lock',
    wrong:
      '`using` compiled on the guard of a shared lock and released nothing, while its renewal went on.',
    tests: [
      'test/core/lock.test.ts › a guard › has no synchronous dispose, which could not wait for the store',
      'test/core/lock.test.ts › a guard › is released by `await using` at the end of its block',
    ],
  },
  {
    id: 'G10',
    seen: 'go-go-scope 2.9.1, lock',
    wrong:
      'A renewal that failed stopped in silence or ended the process, its holder was never told, nothing was tried again, and one timer served all guards.',
    tests: [
      'test/core/loss.test.ts › a holder whose renewals fail › is told by an event, once',
      'test/core/lease.test.ts › a lease that is renewed › tries again soon when the store could not be asked, and goes on when that works',
      'test/core/loss.test.ts › a holder that the store has forgotten › learns it at its next renewal',
      'test/core/release.test.ts › a release › of a lock that the store had forgotten says that it was lost',
      'test/peers/holders.test.ts › every guard of one lock object is renewed by itself, and only until its release',
    ],
  },
  {
    id: 'G11',
    seen: 'go-go-scope 2.9.1, lock',
    wrong: 'The signal was discarded: waiters went on for ever, also after the end of the lock.',
    tests: [
      'test/core/waiting.test.ts › a signal that aborts › while queued takes the waiter out of the queue',
      'test/core/waiting.test.ts › the end of a lock’s own signal › ends its waiters and releases its guards',
    ],
  },
  {
    id: 'G12',
    seen: 'go-go-scope 2.9.1, lock',
    wrong: 'A timeout of 0 meant "for ever" in memory and an error elsewhere.',
    tests: ['test/core/waiting.test.ts › a timeout › of 0 tries once, and queues nothing'],
  },
  {
    id: 'G13',
    seen: 'go-go-scope 2.9.1, read-write lock',
    wrong: 'When a writer gave up, the readers behind it stayed stuck though only readers held.',
    tests: [
      'test/core/read-write-lock.test.ts › readers › are let in when the writer before them gives up',
      'src/adapters/contract/grants/release.ts › a waiter that gives up lets in those behind it who fit now',
    ],
  },
  {
    id: 'G14',
    seen: 'go-go-scope 2.9.1, lock',
    wrong: 'Disposal left shared locks held until their time was over.',
    tests: [
      'test/core/scope.test.ts › a lock made with a scope’s signal › is released when the scope ends, after its tasks have ended',
    ],
  },
  {
    id: 'G15',
    seen: 'go-go-scope 2.9.1, lock',
    wrong:
      'Waiters polled every 100 ms, without order and beyond their deadline: some were never served.',
    tests: [
      'test/faults/contention.test.ts › twenty contenders in four processes get the lock equally often, never two at once',
      'src/adapters/contract/grants/queue.ts › waiters of several processes are served in the order in which they came',
      'test/core/waiting.test.ts › a timeout › ends the wait after its time, not before',
    ],
  },
  {
    id: 'G16',
    seen: 'go-go-scope 2.9.1, lock on PostgreSQL',
    wrong: 'Of many contenders for a fresh key, most failed with a violated constraint.',
    tests: [
      'src/adapters/contract/grants/exclusive.ts › of many attempts at a fresh resource one is granted and the others are busy',
    ],
  },
  {
    id: 'G17',
    seen: 'go-go-scope 2.9.1, PostgreSQL',
    wrong:
      'Times without a time zone, and the client’s clock: in another session time zone, values expired at once and held locks were given away.',
    tests: ['test/live/contract-postgres.test.ts › over …'],
  },
  {
    id: 'G18',
    seen: 'go-go-scope 2.9.1, lock on PostgreSQL',
    wrong: 'Every acquire deleted all expired rows.',
    tests: [
      'test/live/postgres-wire.test.ts › rows that nobody needs any more are swept while calls are made, and those in use stay',
      'test/live/postgres-wire.test.ts › a lock is acquired, renewed and released by one statement each',
    ],
  },
  {
    id: 'G19',
    seen: 'go-go-scope 2.9.1, cache on PostgreSQL',
    wrong: 'A prefix was used as a pattern: clearing `a_b:` deleted `axb:` of another tenant.',
    tests: [
      'src/adapters/contract/records/remove.ts › a clear leaves every other record, also with a prefix that stores take for a pattern',
    ],
  },
  {
    id: 'G20',
    seen: 'go-go-scope 2.9.1, semaphore',
    wrong:
      'A permit that was taken without waiting could not be given back, for its release was private.',
    tests: [
      'test/peers/holders.test.ts › a permit that was taken without waiting can be given back',
    ],
  },
  {
    id: 'G21',
    seen: 'go-go-scope 2.9.1, semaphore',
    wrong: 'A request for several permits hoarded them one by one.',
    tests: [
      'src/adapters/contract/grants/permits.ts › several permits are taken all at once or not at all',
      'src/adapters/contract/grants/permits.ts › a large request is not overtaken by small ones that would fit',
    ],
  },
  {
    id: 'G22',
    seen: 'go-go-scope 2.9.1, semaphore',
    wrong:
      'A signal that had aborted before was never noticed, and an abort looked like "not now".',
    tests: [
      'test/core/semaphore.test.ts › acquire › with a signal that is aborted already takes nothing',
      'test/core/waiting.test.ts › a signal that is aborted already › of the lock itself rejects every acquire and try',
    ],
  },
  {
    id: 'G23',
    seen: 'go-go-scope 2.9.1, semaphore and scope',
    wrong:
      'Semaphores were those of one process, and child scopes copied the number instead of sharing the semaphore: eight ran where two might.',
    tests: [
      'test/core/semaphore.test.ts › a semaphore › is one for all processes that share the store',
      'src/adapters/contract/grants/permits.ts › permits are granted up to the capacity, across processes',
      'test/peers/holders.test.ts › the tasks of a scope’s children share its permits: two at once means two in all',
    ],
  },
  {
    id: 'G24',
    seen: 'go-go-scope 2.9.1, circuit breaker',
    wrong:
      'Failures were counted over the life of the process: a rate of 0.1 % opened it in the end.',
    tests: [
      'test/core/circuit-breaker.test.ts › a breaker › does not open by its lifetime: successes between failures age like them',
      'test/core/circuit-breaker.test.ts › a breaker › forgets what is older than the window',
    ],
  },
  {
    id: 'G25',
    seen: 'go-go-scope 2.9.1, circuit breaker',
    wrong: 'A success of a call that began before the trip closed an open breaker.',
    tests: [
      'test/core/circuit-breaker.test.ts › what counts › not the late outcome of a call that began before the breaker opened',
      'test/peers/breakers.test.ts › while a probe is on its way › a success of a call that began before the breaker opened does not close it',
    ],
  },
  {
    id: 'G26',
    seen: 'go-go-scope 2.9.1, circuit breaker',
    wrong: 'Half-open let everybody through: 500 of 500.',
    tests: [
      'test/core/circuit-breaker.test.ts › a half-open breaker › lets as many probes through as it may have, in all processes together',
    ],
  },
  {
    id: 'G27',
    seen: 'go-go-scope 2.9.1, circuit breaker',
    wrong: 'Each late failure told of an opening once more and put off the next try.',
    tests: [
      'test/peers/breakers.test.ts › failures that come late, while the breaker is open › tell nobody again, and do not put off the next try',
    ],
  },
  {
    id: 'G28',
    seen: 'go-go-scope 2.9.1, task',
    wrong:
      'A task’s breaker was made anew for each call: at a threshold of 2, 20 of 20 calls reached the backend.',
    tests: [
      'test/core/task.test.ts › the circuit breaker of a task › is one for all that name its key, however often its options are written',
      'test/peers/breakers.test.ts › tasks of nested scopes count on the breaker that they are given, and are refused together',
    ],
  },
  {
    id: 'G29',
    seen: 'go-go-scope 2.9.1, scope',
    wrong: 'A child scope made a breaker of its own from a partial copy of the options.',
    tests: [
      'test/peers/breakers.test.ts › tasks of nested scopes count on the breaker that they are given, and are refused together',
    ],
    cannotOccur: 'A scope has no breaker: a task names one.',
  },
  {
    id: 'G30',
    seen: 'go-go-scope 2.9.1, circuit breaker',
    wrong: 'Each call left a listener on the signal that was shared.',
    tests: [
      'test/peers/breakers.test.ts › a signal that many calls share has a listener for each that runs, and none afterwards',
    ],
  },
  {
    id: 'G31',
    seen: 'go-go-scope 2.9.1, circuit breaker',
    wrong:
      'A listener that threw replaced the result of the call, and was then counted as a failure.',
    tests: [
      'test/peers/breakers.test.ts › a listener that throws changes no answer, and is no failure of the call',
      'test/core/events.test.ts › a listener that throws changes nothing',
    ],
  },
  {
    id: 'G32',
    seen: 'go-go-scope 2.9.1, circuit breaker',
    wrong:
      'Reading the state told of changes, the cost of a call grew with the window, and a caller’s abort counted as a failure.',
    tests: [
      'test/core/circuit-breaker.test.ts › what counts › not the caller’s abort, nor refusals of what is inside',
    ],
    cannotOccur:
      'The state is a plain read of what is known, there are no adaptive thresholds, and outcomes are sums in a few buckets.',
  },
  {
    id: 'G33',
    seen: 'go-go-scope 2.9.1, circuit breaker on Redis and PostgreSQL',
    wrong: 'Failures were read, added to and written back: of 20 at once, 1 or 4 were counted.',
    tests: [
      'src/adapters/contract/counts.ts › reports of many at once are all counted',
      'test/core/circuit-breaker.test.ts › a breaker › counts the failures of all processes together, and opens in all',
    ],
  },
  {
    id: 'G34',
    seen: 'go-go-scope 2.9.1, token bucket',
    wrong: 'The bucket was read and written back: 60 of 60 callers were allowed where 10 might.',
    tests: [
      'src/adapters/contract/rates.ts › of many callers at once in several processes as many are allowed as a burst has',
      'test/live/rate-limit.test.ts › 100 in a second with a burst of 100, asked for by 8 processes over …',
    ],
  },
  {
    id: 'G35',
    seen: 'go-go-scope 2.9.1, token bucket',
    wrong:
      'A request for more than the capacity never returned, no signal ended the wait, and times were the client’s.',
    tests: [
      'test/core/rate-limiter.test.ts › a cost that could never be allowed is refused before the store is asked',
      'test/core/rate-limiter.test.ts › waiting › ends with the signal, and lets the next one go on',
      'test/core/semaphore.test.ts › several permits › more than there are is an argument that can never be met',
    ],
  },
  {
    id: 'G36',
    seen: 'go-go-scope 2.9.1, idempotency',
    wrong: 'Nothing was claimed before the work began: ten at once ran ten times.',
    tests: [
      'src/adapters/contract/records/begin.ts › of many requests at once one claims and the others are told that it runs',
      'test/core/idempotency.test.ts › a call while another one runs › of ten at once runs one',
    ],
  },
  {
    id: 'G37',
    seen: 'go-go-scope 2.9.1, idempotency',
    wrong: 'Failures were stored, and came back as successes of null.',
    tests: [
      'test/core/idempotency.test.ts › a function that throws › is not remembered: the next call runs again',
      'test/core/outcome-codec.test.ts › an outcome › that is undefined is not null',
    ],
  },
  {
    id: 'G38',
    seen: 'go-go-scope 2.9.1, idempotency',
    wrong:
      'The outcome was stored after the caller had it, errors of that were swallowed, and a store that could not be read let the work run again.',
    tests: [
      'test/core/idempotency.test.ts › an outcome › is kept before the caller has it',
      'test/core/idempotency-outage.test.ts › a begin › that fails does not fall through to the work',
      'test/core/idempotency-outage.test.ts › a commit › that fails is told to the caller, whose work was done, as unknown',
    ],
  },
  {
    id: 'G39',
    seen: 'go-go-scope 2.9.1, idempotency',
    wrong:
      'A replay made the outcome last longer, a result of nothing ran again, no payload was compared, and keys were shared by all callers.',
    tests: [
      'test/core/idempotency.test.ts › an outcome › is not kept longer because it was replayed',
      'test/core/idempotency-values.test.ts › a value › that is … is replayed as it was',
      'test/core/idempotency.test.ts › a fingerprint › that differs is refused, and learns nothing of the value',
      'test/middleware/conformance/rows/callers.ts › callers with another Authorization have keys of their own',
    ],
  },
  {
    id: 'G40',
    seen: 'go-go-scope 2.9.1, idempotency',
    wrong: 'The provider in memory kept 1,000 keys: the first ran again after 1,500.',
    tests: [
      'test/core/idempotency.test.ts › an outcome › of thousands of other calls pushes none out',
    ],
  },
  {
    id: 'G41',
    seen: 'go-go-scope 2.9.1, checkpoints on PostgreSQL',
    wrong: 'Connecting did not make the table of checkpoints: the first save failed.',
    tests: [
      'test/seed/examples.test.ts › on … › checkpoint: a worker that is killed is resumed where it was last saved',
      'test/live/postgres-schema.test.ts › twenty processes that start at once migrate once',
    ],
  },
  {
    id: 'G42',
    seen: 'go-go-scope 2.9.1, checkpoints on Redis',
    wrong: 'Loading a checkpoint by its id found nothing, ever.',
    tests: [
      'test/core/checkpoints.test.ts › a saved checkpoint › is found by its sequence, and listed with the others, the latest first',
      'src/adapters/contract/histories.ts › entries are found by sequence, and listed with the latest first',
    ],
  },
  {
    id: 'G43',
    seen: 'go-go-scope 2.9.1, checkpoints',
    wrong: 'A timer saved the same old checkpoint again and again, and swallowed its errors.',
    tests: [
      'test/core/checkpointer.test.ts › a run › sees its state change with every save, and the progress stay until it is told anew',
    ],
    cannotOccur: 'No timer saves anything: a checkpoint is what the worker says, when it says so.',
  },
  {
    id: 'G44',
    seen: 'go-go-scope 2.9.1, checkpoints',
    wrong:
      'Nobody owned a task: two workers wrote beside each other, and the state did not follow the saves.',
    tests: [
      'test/core/checkpointer.test.ts › a worker that was stopped for longer than its lease › is refused by the store once another has taken the task over',
      'test/core/checkpointer.test.ts › a run › waits for the worker that owns the task, or says so after its timeout',
      'test/core/checkpointer.test.ts › a run › sees its state change with every save, and the progress stay until it is told anew',
    ],
  },
  {
    id: 'G45',
    seen: 'go-go-scope 2.9.1, cache on Redis',
    wrong:
      'Clearing walked over all keys in one command that stops the server, and deleted them in another.',
    tests: [
      'test/live/clear.test.ts › what starts with a prefix is looked for and removed a few at a time',
      'src/adapters/contract/records/remove.ts › a clear leaves every other record, also with a prefix that stores take for a pattern',
    ],
  },
  {
    id: 'G46',
    seen: 'go-go-scope 2.9.1, Redis',
    wrong: 'Milliseconds were rounded up to seconds, and none meant for ever.',
    tests: [
      'test/live/short-lives.test.ts › on … › what lasts a tenth of a second is never kept for a second',
      'test/core/arguments.test.ts › a Lock refuses › a ttl of …',
    ],
  },
  {
    id: 'G47',
    seen: 'go-go-scope 2.9.1, cache',
    wrong:
      'Each eviction looked at all entries, keys of one millisecond were evicted in the wrong order, patterns matched other keys, and null was a miss.',
    tests: [
      'test/core/cache.test.ts › memory › forgets what was not used lately, and never more than it must',
      'test/core/cache.test.ts › memory › of 20,000 values makes room for 20,000 more without looking at all of them each time',
      'test/core/cache.test.ts › nothing › that was loaded as … stays that, for `negativeTtl`',
    ],
  },
  {
    id: 'G48',
    seen: 'go-go-scope 2.9.1, cache warmer',
    wrong:
      'With stale-while-refresh, the reader of an expired value waited for the load, and the store had dropped the value anyway.',
    tests: [
      'test/core/cache-loads.test.ts › a refresh › begins when the share of the ttl is left, behind a reader that is answered at once',
      'test/core/cache-loads.test.ts › a refresh › serves the stale value for `staleFor` and not longer',
      'test/core/cache-warmer.test.ts › an entry › is refreshed when the share of its ttl is left, though nobody reads it',
    ],
  },
  {
    id: 'G49',
    seen: 'go-go-scope 2.9.1, cache warmer',
    wrong:
      'Whether a load ran was looked at before a pause and noted after it: 20 reads were 20 loads.',
    tests: [
      'test/core/cache-loads.test.ts › a missing value › is loaded once for a thousand readers in four processes',
    ],
  },
  {
    id: 'G50',
    seen: 'go-go-scope 2.9.1, cache warmer',
    wrong:
      'An invalidation during a load was undone by it, the default time to live was ignored, every process refreshed, one after the other, and its timer kept the process alive.',
    tests: [
      'test/core/cache-loads.test.ts › a change during a load wins › …, in …, with …',
      'test/core/cache-warmer.test.ts › an entry › that is invalidated while it is loaded does not get the old value',
      'test/core/cache-warmer.test.ts › an entry › has the default ttl and threshold where it says nothing',
      'test/core/cache-warmer.test.ts › of several processes › one warms at a time, and the others take over what it has loaded',
      'test/core/cache-warmer.test.ts › of several processes › no more than `concurrency` loads run at a time',
      'test/seed/examples.test.ts › on … › cache-warming: the user is fetched once for all instances',
    ],
  },
  {
    id: 'G51',
    seen: 'go-go-scope 2.9.1, scheduler',
    wrong: 'Every instance took itself for the leader.',
    tests: [
      'test/core/leader-election.test.ts › an election › has one leader, and the next leads when it returns',
      'test/seed/examples.test.ts › on … › leader-election: of two instances one leads at a time, and the other takes over when it is killed',
    ],
  },
  {
    id: 'G52',
    seen: 'go-go-scope 2.9.1, Hono and Express',
    wrong: 'Span names held whole URLs with their queries, and a request ended twice.',
    tests: [
      'test/telemetry/metrics.test.ts › in … › no value of a request is an attribute: no key, no caller, no path',
      'test/middleware/conformance/rows/scopes.ts › every request has a scope of its own, which ends with its handler',
    ],
  },
  {
    id: 'P1',
    seen: 'verrou, memory store',
    wrong:
      'After a lock had lapsed, its old holder could free the next holder’s, whose own release failed.',
    tests: [
      'src/adapters/contract/grants/release.ts › a holder that lapsed cannot release the next holder',
      'test/core/loss.test.ts › the release of a lost lock › says why, and does not touch the next holder',
    ],
  },
  {
    id: 'P2a',
    seen: 'redlock 5.0.0-beta.2',
    wrong:
      '`using()` rejected although the routine had finished, when the lock had lapsed by then.',
    tests: [
      'test/core/loss.test.ts › run › tells its function by its signal, and its function’s answer still counts',
      'test/core/release.test.ts › a release that fails › never hides what the work of a run answered or threw',
    ],
  },
  {
    id: 'P2b',
    seen: 'redlock 5.0.0-beta.2',
    wrong:
      'Right after a stall of the event loop, the signal of a lock that had lapsed was not aborted.',
    tests: [
      'test/core/stall.test.ts › a holder that stalled for longer than its ttl knows it at the first question › …',
    ],
  },
  {
    id: 'P2c',
    seen: 'redlock 5.0.0-beta.2',
    wrong: 'A renewal that failed was tried again without a pause until the lock lapsed.',
    tests: [
      'test/core/lease.test.ts › a lease that is renewed › tries again soon when the store could not be asked, and goes on when that works',
    ],
  },
  {
    id: 'P3a',
    seen: 'redis-semaphore 5.8',
    wrong: 'An error of a renewal was an unhandled rejection.',
    tests: [
      'test/core/lease.test.ts › a lease that is renewed › tries until its time is over, and is lost then',
      'test/faults/outage.test.ts › a held lock survives a short outage and is lost in a long one, at once and for ever',
    ],
  },
  {
    id: 'P3b',
    seen: 'redis-semaphore 5.8',
    wrong: 'The release of a lost lock resolved as if it had been held.',
    tests: [
      'test/core/loss.test.ts › the release of a lost lock › says why, and does not touch the next holder',
    ],
  },
  {
    id: 'P3c',
    seen: 'redis-semaphore 5.8',
    wrong: '`isAcquired` stayed true while renewals failed.',
    tests: [
      'test/core/loss.test.ts › a holder whose renewals fail › loses the lock before the store gives it to anybody else',
    ],
  },
  {
    id: 'P4a',
    seen: 'opossum 10.0.0',
    wrong: 'A late success closed a half-open breaker.',
    tests: [
      'test/peers/breakers.test.ts › while a probe is on its way › a success of a call that began before the breaker opened does not close it',
    ],
  },
  {
    id: 'P4b',
    seen: 'opossum 10.0.0',
    wrong: 'Without a timeout, a probe that hung refused everybody for ever.',
    tests: [
      'test/peers/breakers.test.ts › while a probe is on its way › one that hangs for ever has its lease, and then another probe decides',
      'test/core/circuit-breaker.test.ts › a half-open breaker › is not wedged by a probe that hangs: its lease makes room for another',
    ],
  },
  {
    id: 'P4c',
    seen: 'opossum 10.0.0',
    wrong: 'Every failure sorted the whole window of latencies.',
    tests: [],
    cannotOccur:
      'No latencies are kept: a slow call is one that is counted as slow, and a window is sums in a few buckets.',
  },
  {
    id: 'P5a',
    seen: 'cockatiel 4.0.0',
    wrong: 'Callers queued without bound behind a probe that hung.',
    tests: [
      'test/peers/breakers.test.ts › while a probe is on its way › nobody queues behind it: others are refused at once, and told when to come again',
    ],
  },
  {
    id: 'P5b',
    seen: 'cockatiel 4.0.0',
    wrong:
      'A late failure of a call from before the trip opened a half-open breaker again, and the probe’s success was ignored.',
    tests: [
      'test/peers/breakers.test.ts › while a probe is on its way › a failure of such a call does not open it again: the probe’s success closes it',
    ],
  },
  {
    id: 'P6a',
    seen: 'Polly 8',
    wrong: 'There was no way out of half-open but the result of a probe, which may never come.',
    tests: [
      'test/peers/breakers.test.ts › while a probe is on its way › one that hangs for ever has its lease, and then another probe decides',
    ],
  },
  {
    id: 'P6b',
    seen: 'Polly 8',
    wrong: 'A late success counted in half-open.',
    tests: [
      'test/peers/breakers.test.ts › while a probe is on its way › a success of a call that began before the breaker opened does not close it',
    ],
  },
  {
    id: 'P7a',
    seen: 'bentocache 1.6.1',
    wrong:
      'The mutex of a key was removed while others waited for it: with a loader that fails, five ran at once.',
    tests: [
      'test/core/cache-loads.test.ts › a loader that fails › is not called by several at a time, however many readers come while it fails',
    ],
  },
  {
    id: 'P7b',
    seen: 'bentocache 1.6.1',
    wrong: 'The invalidation of a tag compared the clocks of clients.',
    tests: [],
    cannotOccur:
      'There are no tags, and no clock of a client is compared: a change ends every claim in the store.',
  },
  {
    id: 'P7c',
    seen: 'bentocache 1.6.1',
    wrong: 'A read with tags awaited one question for each tag.',
    tests: [],
    cannotOccur: 'There are no tags: a read is one question.',
  },
  {
    id: 'P8a',
    seen: 'cacheable 2.5',
    wrong: 'By default, the error of a loader was swallowed and the answer was undefined.',
    tests: [
      'test/core/cache-loads.test.ts › a loader that fails › fails for all who wait for it with the same error, and the next caller loads again',
    ],
  },
  {
    id: 'P8b',
    seen: 'cacheable 2.5',
    wrong: 'Running loads were shared by all caches of the process that had one id.',
    tests: [
      'test/core/cache.test.ts › a value › of one key or cache is not taken for that of another',
    ],
  },
  {
    id: 'P9a',
    seen: 'rate-limiter-flexible 11',
    wrong: 'A window below a second left a key without an end: its caller was blocked for ever.',
    tests: [
      'test/live/rate-limit.test.ts › several rules are one command and one decision, and leave no key behind',
      'test/live/short-lives.test.ts › on … › what lasts a tenth of a second is never kept for a second',
    ],
  },
  {
    id: 'P9b',
    seen: 'rate-limiter-flexible 11 on PostgreSQL',
    wrong: 'Windows were counted by the client’s clock.',
    tests: [
      'test/live/rate-limit.test.ts › 100 in a second with a burst of 100, asked for by 8 processes over …',
    ],
    cannotOccur: 'The statement reads the server’s clock, and is sent no time.',
  },
  {
    id: 'P9c',
    seen: 'rate-limiter-flexible 11',
    wrong: 'A refusal was rejected with something that is no Error.',
    tests: [
      'test/core/rate-limiter.test.ts › a task is charged for each attempt, and refused with a RateLimitedError',
    ],
  },
  {
    id: 'P10a',
    seen: '@upstash/ratelimit 2.2.0',
    wrong: 'A fixed window compared a number with text, so that its key never ended.',
    tests: [
      'test/live/rate-limit.test.ts › several rules are one command and one decision, and leave no key behind',
    ],
  },
  {
    id: 'P10b',
    seen: '@upstash/ratelimit 2.2.0',
    wrong: 'A refused call was charged.',
    tests: ['src/adapters/contract/rates.ts › a refusal spends nothing'],
  },
  {
    id: 'P10c',
    seen: '@upstash/ratelimit 2.2.0',
    wrong: 'Windows were counted by the client’s clock.',
    tests: [
      'test/live/rate-limit.test.ts › 100 in a second with a burst of 100, asked for by 8 processes over …',
    ],
    cannotOccur: 'The script reads the server’s clock, and is sent no time.',
  },
  {
    id: 'P10d',
    seen: '@upstash/ratelimit 2.2.0',
    wrong: 'After five seconds without an answer of the store, every call was allowed.',
    tests: [
      'test/core/rate-limiter.test.ts › with the store away › a call throws, unless it was said what it should answer',
    ],
  },
  {
    id: 'P11a',
    seen: 'node-idempotency 1.0.11 in Express',
    wrong: 'An answer of 204 was not kept: a retry ran again.',
    tests: ['test/middleware/conformance/rows/capture.ts › …: a retry gets the same again'],
  },
  {
    id: 'P11b',
    seen: 'node-idempotency 1.0.11 in Express',
    wrong: 'A streamed answer was never completed: its key was in use for 24 hours.',
    tests: [
      'test/middleware/conformance/rows/streams.ts › …: the first chunk arrives before the last is made, the last when that is recorded, and a retry never runs',
    ],
  },
  {
    id: 'P11c',
    seen: 'node-idempotency 1.0.11 in Express',
    wrong: 'A caller got the answer of another tenant’s request.',
    tests: [
      'test/middleware/conformance/rows/callers.ts › callers with another Authorization have keys of their own',
    ],
  },
  {
    id: 'P11d',
    seen: 'node-idempotency 1.0.11 in Express',
    wrong: 'An error of the store left the request without an answer.',
    tests: [
      'test/middleware/conformance/rows/outages.ts › a store that …: every guard refuses, and says when to come again',
    ],
  },
  {
    id: 'P11e',
    seen: 'node-idempotency 1.0.11',
    wrong: 'The same JSON with its keys in another order was another payload.',
    tests: [
      'test/middleware/conformance/rows/fingerprints.ts › the order of JSON keys is irrelevant where the body was parsed, at every depth',
    ],
  },
  {
    id: 'P11f',
    seen: 'node-idempotency 1.0.11',
    wrong: 'A missing key was reported as one of the wrong length.',
    tests: [
      'test/middleware/conformance/rows/retries.ts › every refusal links to the documentation, and says what is the matter',
    ],
  },
  {
    id: 'P12a',
    seen: 'powertools-ts idempotency 2.35.0',
    wrong:
      'The end of a claim was compared with the milliseconds within the current second: it never came.',
    tests: [
      'src/adapters/contract/records/takeover.ts › a claim that is not renewed lapses when its lease is over',
      'test/core/recovery.test.ts › with takeover › the next caller runs the work again and is told so',
    ],
  },
  {
    id: 'P12b',
    seen: 'powertools-ts idempotency 2.35.0',
    wrong: 'An outcome was written whoever held the claim, and the fingerprint was lost with it.',
    tests: [
      'src/adapters/contract/records/takeover.ts › an execution that was taken over can keep, renew and drop nothing',
      'src/adapters/contract/records/fingerprint.ts › another fingerprint is refused after the outcome was kept, and learns nothing',
    ],
  },
  {
    id: 'P13a',
    seen: 'hono-rate-limiter',
    wrong: 'With Redis away, every request was answered 500.',
    tests: [
      "test/middleware/conformance/rows/outages.ts › a store that … limits nobody's rate, with an event, unless it is said otherwise",
      'test/middleware/conformance/rows/outages.ts › a store that …: every guard refuses, and says when to come again',
      "test/middleware/conformance/rows/outages.ts › a store that …, with `onStoreError: 'allow'`: requests pass unguarded, with an event",
    ],
  },
  {
    id: 'P13b',
    seen: 'hono-rate-limiter 0.5.4',
    wrong:
      'Headers were set before the handler ran, and lost when it answered with a `Response` of its own; their syntax was that of older drafts.',
    tests: [
      'test/middleware/conformance/rows/rate-limits.ts › an answer says what is left, also when it is …',
      'test/middleware/rate-limit-fields.test.ts › every policy comes back from its field as an independent parser reads it',
    ],
  },
  {
    id: 'P14a',
    seen: 'FusionCache, its issues 644 and 646',
    wrong: 'The lock of a load was kept when the value could not be stored.',
    tests: [
      'test/core/cache-outage.test.ts › a call that fails in the middle › a value that could not be kept is answered, and its claim given back',
    ],
  },
  {
    id: 'P14b',
    seen: 'FusionCache, its issue 647',
    wrong: 'The lock of a refresh was kept when its loader threw at once.',
    tests: [
      'test/core/cache-loads.test.ts › a loader that fails › at once, without a promise, leaves no claim behind',
    ],
  },
  {
    id: 'P14c',
    seen: 'FusionCache, its issue 218',
    wrong: 'A reader that gave up took the refresh with it, and later readers waited for ever.',
    tests: [
      'test/core/cache-loads.test.ts › a refresh › does not end with the reader that set it off',
    ],
  },
  {
    id: 'P14d',
    seen: 'FusionCache, its issue 648',
    wrong: 'After everything was cleared, an old value came back from the shared store.',
    tests: [
      'test/core/cache.test.ts › a value that is deleted › goes alone, and `clear` takes all of this cache and of no other',
      'src/adapters/contract/records/remove.ts › a clear removes all records whose names start so, in every process',
    ],
  },
  {
    id: 'P15',
    seen: 'Redisson',
    wrong: 'Renewals went on after the lock was released.',
    tests: [
      'test/core/release.test.ts › a release › ends the renewals',
      'src/adapters/contract/grants/renewal.ts › a released grant cannot be renewed',
    ],
  },
  {
    id: 'P16a',
    seen: 'express-rate-limit 8',
    wrong: 'A limiter that a request met twice counted it twice.',
    tests: [
      'test/middleware/conformance/rows/rate-limits.ts › a limit that is mounted twice on the way of a request is charged once',
    ],
  },
  {
    id: 'P16b',
    seen: 'express-rate-limit before 8.6.0',
    wrong:
      'A skipped request that outlived its window was paid back into the next one, below nothing.',
    tests: [
      'test/middleware/conformance/rows/rate-limits.ts › a request that outlives its window gives nothing back that was never spent',
    ],
  },
  {
    id: 'P16c',
    seen: 'express-rate-limit before 8.3.2',
    wrong: 'A client that left early enough was not counted as it should have been.',
    tests: [
      'test/middleware/conformance/rows/rate-limits.ts › a client that leaves at once cannot keep its failures from being counted',
      'test/middleware/conformance/rows/rate-limits.ts › a handler that never ends after its client has left has its request counted, and holds nothing for ever',
    ],
  },
  {
    id: 'P16d',
    seen: 'express-rate-limit, its advisory GHSA-46wh-pxpv-q5gq',
    wrong: 'Clients of IPv4 that a socket shows as mapped into IPv6 were all put into one group.',
    tests: [
      'test/middleware/conformance/rows/clients.ts › a client of IPv6 is a whole range of addresses, and one of IPv4 is the same in either form',
      'test/middleware/client-address.test.ts › addresses › of IPv4 are one with what IPv6 maps them to',
    ],
  },
  {
    id: 'P16e',
    seen: 'services with express-rate-limit',
    wrong:
      'Behind a proxy all clients had one limit, or each chose its own address with X-Forwarded-For.',
    tests: [
      'test/middleware/conformance/rows/clients.ts › behind a trusted proxy it is the right-most address that is no proxy, whatever stands before it',
      'test/middleware/conformance/rows/clients.ts › `trust proxy: true` is warned of, and refused where that is asked for: anybody could choose an address',
      'test/middleware/conformance/rows/clients.ts › a proxy that nobody has configured is refused where that is asked for: all clients would be one',
    ],
  },
]
