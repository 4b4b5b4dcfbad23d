// Adapters that each break one promise, as real libraries have, and the checks of the contract that must find it.

import { MemoryAdapter } from '../../src/adapters/memory/index.ts'
import type {
  Adapter,
  Counts,
  GrantRequest,
  Grants,
  Histories,
  Outcome,
  Rates,
  Records,
  SignalListener,
  Signals,
} from '../../src/core/ports.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface BrokenAdapter {
  /** What it does. */
  readonly name: string
  readonly make: (working: Adapter, time: VirtualTime) => Adapter
  /** Checks that fail, among others. */
  readonly fails: readonly string[]
}

/** The adapter with some operations of a port replaced. */
function change(
  adapter: Adapter,
  ports: {
    readonly grants?: Partial<Grants>
    readonly records?: Partial<Records>
    readonly histories?: Partial<Histories>
    readonly rates?: Partial<Rates>
    readonly counts?: Partial<Counts>
    readonly signals?: Partial<Signals>
  },
): Adapter {
  const { grants, histories, rates, counts, records, signals } = adapter
  return {
    deadline: adapter.deadline,
    connect: () => adapter.connect(),
    isConnected: () => adapter.isConnected(),
    disconnect: () => adapter.disconnect(),
    grants: {
      acquire: (request) => grants.acquire(request),
      renew: (resource, id, ttl) => grants.renew(resource, id, ttl),
      release: (resource, id) => grants.release(resource, id),
      beat: (resource, inbox, ids) => grants.beat(resource, inbox, ids),
      inspect: (resource) => grants.inspect(resource),
      ...ports.grants,
    },
    records: {
      begin: (request) => records.begin(request),
      renew: (record, id, lease, meta) => records.renew(record, id, lease, meta),
      commit: (request) => records.commit(request),
      drop: (record, id, notice) => records.drop(record, id, notice),
      put: (request) => records.put(request),
      remove: (record, notice) => records.remove(record, notice),
      clear: (prefix, notice) => records.clear(prefix, notice),
      ...ports.records,
    },
    histories: {
      open: (history, token, ttl) => histories.open(history, token, ttl),
      append: (request) => histories.append(request),
      read: (history, sequence) => histories.read(history, sequence),
      list: (history) => histories.list(history),
      trim: (history, keep) => histories.trim(history, keep),
      remove: (history) => histories.remove(history),
      ...ports.histories,
    },
    rates: {
      consume: (request) => rates.consume(request),
      reset: (limiter, rules) => rates.reset(limiter, rules),
      ...ports.rates,
    },
    counts: {
      report: (report) => counts.report(report),
      move: (move) => counts.move(move),
      ...ports.counts,
    },
    signals: { listen: (channel, listener) => signals.listen(channel, listener), ...ports.signals },
  }
}

/** An adapter whose `acquire` asks for something else. */
const asking = (ask: (request: GrantRequest) => GrantRequest) => (adapter: Adapter) =>
  change(adapter, { grants: { acquire: (request) => adapter.grants.acquire(ask(request)) } })

export const brokenAdapters: readonly BrokenAdapter[] = [
  {
    name: 'grants without exclusion',
    make: asking((request) => ({ ...request, capacity: request.capacity * 2 })),
    fails: [
      'while a resource is held, another attempt is busy',
      'a resource is held against every other process',
      'of many attempts at a fresh resource one is granted and the others are busy',
      'of many contenders one holds at a time, and all get their rounds',
      'of many contenders no more permits are held than there are',
    ],
  },
  {
    name: 'takes the owner label for an identity',
    make: asking((request) => ({ ...request, id: request.meta.owner ?? request.id })),
    fails: ['a label is no identity: two attempts with the same owner exclude each other'],
  },
  {
    name: 'takes every request for a new attempt',
    make: asking((request) => ({ ...request, id: crypto.randomUUID() })),
    fails: ['asking twice is one grant with one token', 'asking twice takes the permits once'],
  },
  {
    name: 'keeps readers and writers apart',
    make: asking((request) => ({
      ...request,
      resource: `${request.resource}:${request.exclusive}`,
    })),
    fails: [
      'a writer does not get in beside a reader',
      'a reader does not get in beside a writer, and takes nothing from it',
      'of many readers and writers no writer is ever beside anybody',
    ],
  },
  {
    name: 'takes permits one by one and keeps what it got',
    make: (adapter) =>
      change(adapter, {
        grants: {
          acquire: async (request) => {
            const one = { ...request, weight: 1 }
            let reply = await adapter.grants.acquire(one)
            for (let taken = 1; taken < Math.min(request.weight, 9); taken++) {
              if (reply.state !== 'granted') return reply
              reply = await adapter.grants.acquire({ ...one, id: `${request.id}:${taken}` })
            }
            return reply
          },
        },
      }),
    fails: ['several permits are taken all at once or not at all'],
  },
  {
    name: 'never queues',
    make: asking((request) => ({ ...request, wait: false })),
    fails: [
      'waiters of several processes are served in the order in which they came',
      'an attempt is told its number in the queue and how many wait',
      'readers that come after a waiting writer wait for it',
    ],
  },
  {
    name: 'draws numbers without a look at those that came back',
    make: (adapter) => {
      const drawn = new Map<string, number>()
      return change(adapter, {
        grants: {
          acquire: (request) => {
            const last = drawn.get(request.resource) ?? 0
            drawn.set(request.resource, last + 1)
            return adapter.grants.acquire({ ...request, arrival: request.arrival ?? last + 1 })
          },
        },
      })
    },
    fails: ['nobody overtakes a waiter that came back to a place that the store had forgotten'],
  },
  {
    name: 'puts whoever asks again at the end of the queue',
    make: asking(({ arrival: _, ...request }) => request),
    fails: [
      'a waiter that was forgotten gets back to the place that it had',
      'a waiter whose process fell silent is forgotten, and finds its place again',
    ],
  },
  {
    name: 'releases whoever holds',
    make: (adapter) =>
      change(adapter, {
        grants: {
          release: async (resource, id) => {
            const { holders } = await adapter.grants.inspect(resource)
            for (const holder of holders) await adapter.grants.release(resource, holder.id)
            return adapter.grants.release(resource, id)
          },
        },
      }),
    fails: [
      'a second release takes nothing from the next holder',
      'an attempt that does not hold can release nothing',
      'a holder that lapsed cannot release the next holder',
    ],
  },
  {
    name: 'renews whoever holds',
    make: (adapter) =>
      change(adapter, {
        grants: {
          renew: async (resource, id, ttl) => {
            const { holders } = await adapter.grants.inspect(resource)
            return adapter.grants.renew(resource, holders[0]?.id ?? id, ttl)
          },
        },
      }),
    fails: [
      'an attempt that does not hold can renew nothing',
      'a holder that lapsed cannot renew the grant of the next holder',
      'a waiter cannot renew itself into the resource',
    ],
  },
  {
    name: 'renews by creating',
    make: (adapter) =>
      change(adapter, {
        grants: {
          renew: async (resource, id, ttl) => {
            const reply = await adapter.grants.acquire({
              ...{ resource, id, ttl, weight: 1, capacity: 1, exclusive: true, wait: false },
              ...{ inbox: { id, listening: false }, meta: {} },
            })
            return reply.state === 'granted' ? reply.token : undefined
          },
        },
      }),
    fails: [
      'a lapsed grant cannot be renewed',
      'a released grant cannot be renewed',
      'renewing what nobody holds creates nothing',
      'a grant that the store has lost cannot be renewed into being',
    ],
  },
  {
    name: 'sends messages to nobody',
    make: (adapter) =>
      change(adapter, {
        signals: {
          listen: (channel, { restored }) =>
            adapter.signals.listen(channel, { message: () => {}, restored }),
        },
      }),
    fails: ['a waiter is called by a message that names its attempt'],
  },
  {
    name: 'sends every message to everybody',
    make: (adapter) => {
      const everybody = new Set<SignalListener>()
      return change(adapter, {
        signals: {
          listen: (channel, listener) => {
            everybody.add(listener)
            const message = (text: string) => {
              for (const each of everybody) each.message(text)
            }
            return adapter.signals.listen(channel, {
              message,
              restored: () => listener.restored(),
            })
          },
        },
      })
    },
    fails: ['each process hears its own calls only', 'one waiter is called, and no other'],
  },
  {
    name: 'answers beats with nothing',
    make: (adapter) =>
      change(adapter, {
        grants: { beat: async () => ({ granted: [], unknown: [], hint: 0 }) },
      }),
    fails: [
      'a process that cannot be called gets its turn by its beat',
      'a beat names the attempts that the store does not know, and only those',
      'a waiter that the store has lost is told to ask again',
    ],
  },
  {
    name: 'counts seconds for milliseconds',
    make: (_, time) => new MemoryAdapter({ clock: () => time.now() / 1_000 }),
    fails: [
      'a holder that died is replaced when its time is over',
      'a lapsed grant cannot be renewed',
      'a claim that is not renewed lapses when its lease is over',
      'an outcome is forgotten when its time is over, and the next request claims',
    ],
  },
  {
    name: 'counts microseconds for milliseconds',
    make: (_, time) => new MemoryAdapter({ clock: () => time.now() * 1_000 }),
    fails: [
      'a grant that is renewed in time outlives its first ttl',
      'a record lasts at least as long as its claim',
      'a waiter whose process beats stays in the queue',
    ],
  },
  {
    name: 'starts its tokens anew',
    make: (adapter) => {
      let token = 0
      return change(adapter, {
        grants: {
          acquire: async (request) => {
            const reply = await adapter.grants.acquire(request)
            return reply.state === 'granted' ? { ...reply, token: ++token } : reply
          },
        },
      })
    },
    fails: ['tokens keep growing when the store has lost its data'],
  },
  {
    name: 'replaces what it does not like in names',
    make: (adapter) => {
      const plain = (name: string) => name.replace(/[^\w:-]/g, '_').slice(0, 200)
      return change(adapter, {
        grants: {
          acquire: (request) =>
            adapter.grants.acquire({ ...request, resource: plain(request.resource) }),
          inspect: (resource) => adapter.grants.inspect(plain(resource)),
          release: (resource, id) => adapter.grants.release(plain(resource), id),
        },
        records: {
          begin: (request) => adapter.records.begin({ ...request, record: plain(request.record) }),
          commit: (request) =>
            adapter.records.commit({ ...request, record: plain(request.record) }),
        },
      })
    },
    fails: [
      'resources with hostile or similar names are all held at the same time',
      'records with hostile or similar names each keep their own outcome',
    ],
  },
  {
    name: 'lets several claim one execution',
    make: (adapter) =>
      change(adapter, {
        records: {
          begin: async (request) => {
            const reply = await adapter.records.begin(request)
            return reply.state === 'running' ? { state: 'claimed', token: 1 } : reply
          },
        },
      }),
    fails: [
      'of many requests at once one claims and the others are told that it runs',
      'a running execution is not taken over, whoever asks',
      'of many that want to take over one does',
    ],
  },
  {
    name: 'keeps, renews and drops for whoever asks',
    make: (adapter) => {
      const owners = new Map<string, string>()
      const owner = (record: string, id: string) => owners.get(record) ?? id
      return change(adapter, {
        records: {
          begin: async (request) => {
            const reply = await adapter.records.begin(request)
            if (reply.state === 'claimed') owners.set(request.record, request.id)
            return reply
          },
          commit: (request) =>
            adapter.records.commit({ ...request, id: owner(request.record, request.id) }),
          renew: (record, id, lease) => adapter.records.renew(record, owner(record, id), lease),
          drop: (record, id) => adapter.records.drop(record, owner(record, id)),
        },
      })
    },
    fails: [
      'an attempt without the claim can keep nothing',
      'an attempt without the claim can renew nothing',
      'an attempt without the claim can drop nothing',
      'an execution that was taken over can keep, renew and drop nothing',
    ],
  },
  {
    name: 'does not look at fingerprints',
    make: (adapter) =>
      change(adapter, {
        records: {
          begin: ({ fingerprint: _, ...request }) => adapter.records.begin(request),
        },
      }),
    fails: [
      'another fingerprint is refused while the execution runs',
      'another fingerprint can take nothing over',
    ],
  },
  {
    name: 'tells of the record to those whom it refuses',
    make: (adapter) =>
      change(adapter, {
        records: {
          begin: async (request) => {
            const reply = await adapter.records.begin(request)
            if (reply.state !== 'mismatch') return reply
            const { fingerprint: _, ...any } = request
            return { ...(await adapter.records.begin(any)), state: 'mismatch' }
          },
        },
      }),
    fails: ['another fingerprint is refused after the outcome was kept, and learns nothing'],
  },
  {
    name: 'takes lost executions over without being asked',
    make: (adapter) =>
      change(adapter, {
        records: {
          begin: (request) => adapter.records.begin({ ...request, takeover: 'rerun' }),
        },
      }),
    fails: [
      'a lapsed claim answers everybody what is known of it, and runs nothing',
      'a recovery claims and keeps what is known of the lost execution',
    ],
  },
  {
    name: 'keeps outcomes for seconds instead of milliseconds',
    make: (adapter) =>
      change(adapter, {
        records: {
          commit: (request) => adapter.records.commit({ ...request, ttl: request.ttl * 1_000 }),
        },
      }),
    fails: [
      'an outcome is forgotten when its time is over, and the next request claims',
      'a replay does not make an outcome last longer',
    ],
  },
  {
    name: 'tidies values up',
    make: (adapter) =>
      change(adapter, {
        records: {
          commit: (request) =>
            adapter.records.commit({ ...request, value: request.value.trim() || 'null' }),
        },
      }),
    fails: ['an outcome is replayed to the last character'],
  },
  {
    name: 'forgets an outcome as soon as it is claimed anew',
    make: (adapter) =>
      change(adapter, {
        records: {
          begin: async (request) => {
            const reply = await adapter.records.begin(request)
            if (!('stale' in reply)) return reply
            const { stale: _, ...rest } = reply
            return rest
          },
        },
      }),
    fails: [
      'an outcome that is not fresh is claimed by one request and stands for all',
      'after a drop the outcome stands, and the next request claims',
      'a refresh that died is claimed by the next request: the outcome is known',
    ],
  },
  {
    name: 'takes every outcome for fresh',
    make: (adapter) =>
      change(adapter, {
        records: {
          put: ({ freshFor: _, ...request }) => adapter.records.put(request),
          commit: ({ freshFor: _, ...request }) => adapter.records.commit(request),
        },
      }),
    fails: [
      'an outcome that is not fresh is claimed by one request and stands for all',
      'what was committed to be fresh for a time is produced anew after it',
    ],
  },
  {
    name: 'keeps an outcome for as long as somebody claims it',
    make: (adapter) => {
      const outcomes = new Map<string, Outcome>()
      return change(adapter, {
        records: {
          begin: async (request) => {
            const reply = await adapter.records.begin(request)
            if (reply.state !== 'claimed' && reply.state !== 'running') return reply
            if (reply.stale) outcomes.set(request.record, reply.stale)
            return { ...reply, stale: outcomes.get(request.record) }
          },
        },
      })
    },
    fails: [
      'an outcome is forgotten when its time is over, however often it is claimed',
      'an outcome is forgotten when its time is over, also while it is produced anew',
    ],
  },
  {
    name: 'keeps what was executed before it was replaced or removed',
    make: (adapter) =>
      change(adapter, {
        records: {
          commit: async (request) => {
            if (!(await adapter.records.commit(request))) await adapter.records.put(request)
            return true
          },
        },
      }),
    fails: [
      'a put ends the claim: what was executed before it is not kept',
      'a remove ends the claim: what it was executing is not kept',
      'a clear removes all records whose names start so, in every process',
    ],
  },
  {
    name: 'takes the prefix of a clear for a pattern',
    make: (adapter) =>
      change(adapter, {
        records: {
          clear: (prefix, notice) => adapter.records.clear(prefix.replace(/\*$/, ''), notice),
        },
      }),
    fails: ['a clear leaves every other record, also with a prefix that stores take for a pattern'],
  },
  {
    name: 'clears the first few records only',
    make: (adapter) => {
      const names = new Set<string>()
      return change(adapter, {
        records: {
          put: (request) => {
            names.add(request.record)
            return adapter.records.put(request)
          },
          clear: async (prefix, notice) => {
            const found = [...names].filter((name) => name.startsWith(prefix))
            for (const name of found.slice(0, 200)) await adapter.records.remove(name)
            await adapter.records.remove('', notice)
          },
        },
      })
    },
    fails: ['a clear removes all records whose names start so, in every process'],
  },
  {
    name: 'tells of every end, whoever waits',
    make: (adapter) =>
      change(adapter, {
        records: {
          commit: async ({ notice, ...request }) => {
            const kept = await adapter.records.commit(request)
            await adapter.records.remove('', notice)
            return kept
          },
        },
      }),
    fails: [
      'the end of an execution that nobody waits for is told to nobody',
      'who waited for one execution is not told of the next',
    ],
  },
  {
    name: 'tells nobody',
    make: (adapter) =>
      change(adapter, {
        records: {
          commit: ({ notice: _, ...request }) => adapter.records.commit(request),
          drop: (record, id) => adapter.records.drop(record, id),
          put: ({ notice: _, ...request }) => adapter.records.put(request),
        },
      }),
    fails: [
      'whoever waits for an outcome is told when it is kept',
      'whoever waits for an outcome is told when its claim is dropped',
      'what is put, removed or cleared is told, whoever waits',
    ],
  },
  {
    name: 'does not fence writers of histories',
    make: (adapter) =>
      change(adapter, {
        histories: {
          append: async (request) => {
            const reply = await adapter.histories.append(request)
            if (reply.state === 'current') return reply
            return adapter.histories.append({ ...request, token: reply.current.token })
          },
        },
      }),
    fails: [
      'a smaller token comes too late, however far its sequence is',
      'whoever opens a history reads the latest entry and fences every earlier writer',
    ],
  },
  {
    name: 'opens histories without raising their fence',
    make: (adapter) =>
      change(adapter, {
        histories: {
          open: async (history) => ({
            state: 'current',
            latest: await adapter.histories.read(history),
          }),
        },
      }),
    fails: [
      'whoever opens a history reads the latest entry and fences every earlier writer',
      'opening a history that is empty fences every earlier writer too',
    ],
  },
  {
    name: 'orders histories by text',
    make: (adapter) =>
      change(adapter, {
        histories: {
          list: async (history) =>
            [...(await adapter.histories.list(history))].sort((a, b) =>
              `${a.sequence}` < `${b.sequence}` ? 1 : -1,
            ),
        },
      }),
    fails: ['entries are found by sequence, and listed with the latest first'],
  },
  {
    name: 'keeps every entry of a history',
    make: (adapter) =>
      change(adapter, {
        histories: {
          append: (request) => adapter.histories.append({ ...request, keep: 1_000 }),
          trim: async () => 0,
        },
      }),
    fails: [
      'as many entries are kept as were asked for, the latest ones',
      'trimming drops the oldest entries, and all of them when none is kept',
    ],
  },
  {
    name: 'renews a claim and nothing else about it',
    make: (adapter) =>
      change(adapter, {
        records: { renew: (record, id, lease) => adapter.records.renew(record, id, lease) },
      }),
    fails: ['a renewal may change what is known of whoever executes, and leaves it otherwise'],
  },
  {
    name: 'looks at a rate limit first and spends then',
    make: (adapter) =>
      change(adapter, {
        rates: {
          consume: async (request) => {
            const seen = await adapter.rates.consume({ ...request, cost: 0 })
            await Promise.resolve()
            if (seen.standings.some(({ remaining }) => remaining < request.cost)) {
              return { ...seen, allowed: false }
            }
            return { ...(await adapter.rates.consume(request)), allowed: true }
          },
        },
      }),
    fails: [
      'of many callers at once in several processes as many are allowed as a burst has',
      'a refusal says when to come back, and when nothing is spent any more',
    ],
  },
  {
    name: 'spends units one by one, and rule by rule',
    make: (adapter) =>
      change(adapter, {
        rates: {
          consume: async ({ limiter, rules, cost }) => {
            if (cost === 0) return adapter.rates.consume({ limiter, rules, cost })
            const replies = []
            for (const rule of rules) {
              for (let spent = 0; spent < cost; spent++) {
                replies.push(await adapter.rates.consume({ limiter, rules: [rule], cost: 1 }))
              }
            }
            const { standings } = await adapter.rates.consume({ limiter, rules, cost: 0 })
            return { allowed: replies.every(({ allowed }) => allowed), standings }
          },
        },
      }),
    fails: [
      'several units are spent all at once or not at all',
      'several rules allow together or spend nothing',
    ],
  },
  {
    name: 'counts a report as often as it is sent',
    make: (adapter) => {
      let sequence = 0
      return change(adapter, {
        counts: {
          report: (report) => adapter.counts.report({ ...report, sequence: ++sequence }),
        },
      })
    },
    fails: ['a report that is sent twice is counted once, and the next one is counted'],
  },
  {
    name: 'counts each length of a window by itself',
    make: (adapter) =>
      change(adapter, {
        counts: {
          report: (report) =>
            adapter.counts.report({ ...report, breaker: `${report.breaker}:${report.window}` }),
        },
      }),
    fails: ['outcomes that were counted over another window add up, and are forgotten as well'],
  },
  {
    name: 'counts what an older generation has done',
    make: (adapter) =>
      change(adapter, {
        counts: {
          report: async (report) => {
            const none = { success: 0, failure: 0, slow: 0 }
            const { generation } = await adapter.counts.report({ ...report, outcomes: none })
            return adapter.counts.report({ ...report, generation })
          },
        },
      }),
    fails: ['outcomes of another generation than the current one are not counted'],
  },
  {
    name: 'makes the transition of whoever asks last',
    make: (adapter) =>
      change(adapter, {
        counts: {
          move: async (move) => {
            const first = await adapter.counts.move(move)
            return adapter.counts.move({ ...move, generation: first.generation })
          },
        },
      }),
    fails: [
      'a transition from another generation than the current one is not made',
      'a transition is told on its channel, with the new generation',
    ],
  },
]
