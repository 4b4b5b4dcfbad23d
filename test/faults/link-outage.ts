// What every store survives while the link to it is away.

import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import { type Adapter, Lock } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'
import type { TcpProxy } from '../support/tcp-proxy.ts'

/** A store behind a proxy. */
interface Linked {
  readonly provider: Adapter
  readonly proxy: TcpProxy
}

/** A connection for messages that was lost is opened again by another channel than those that it has carried. */
export async function restoresEveryChannel({ provider, proxy }: Linked): Promise<void> {
  const heard: string[] = []
  let restored = 0
  const first = await provider.signals.listen('first', {
    message: (text) => heard.push(text),
    restored: () => restored++,
  })
  const tell = (text: string) =>
    provider.records.put({
      record: 'told',
      value: '',
      ttl: 60_000,
      meta: {},
      notice: { channel: 'first', text },
    })
  await tell('before')
  await eventually(async () => heard.length === 1)
  await proxy.cut()
  // Until attempts to restore it are far between.
  await pause(1_500)
  await proxy.pass()
  await eventually(() =>
    provider.signals.listen('second', { message: () => {}, restored: () => {} }),
  )
  expect(first.live).toBe(true)
  expect(restored).toBe(1)
  await tell('after')
  await eventually(async () => heard.length === 2, { what: 'the first channel to be heard' })
  expect(heard).toEqual(['before', 'after'])
}

/** Two wait through a link that is away until the store has forgotten them; `outside` reaches the store without it. */
export async function keepsPlaces({ provider, proxy }: Linked, outside: Adapter): Promise<void> {
  const lockOn = (store: Adapter) => new Lock(undefined, { provider: store, key: 'outlasted' })
  const holder = await lockOn(outside).acquire()
  const order: string[] = []
  const queue = async (name: string, store: Adapter, waiters: number) => {
    const waiting = lockOn(store).acquire({ timeout: 30_000 })
    const served = waiting.then(async (guard) => {
      order.push(name)
      await guard.release()
    })
    served.catch(() => {})
    await eventually(async () => (await lockOn(outside).inspect()).waiters.length === waiters)
    return { served }
  }
  const first = await queue('first', provider, 1)
  const second = await queue('second', provider, 2)
  await proxy.cut()
  await pause(6_000)
  // Who comes now finds a queue of nobody that lives.
  const late = await queue('late', outside, 1)
  await proxy.pass()
  await eventually(async () => (await lockOn(outside).inspect()).waiters.length === 3, {
    within: 15_000,
  })
  await holder.release()
  await Promise.all([first.served, second.served, late.served])
  expect(order).toEqual(['first', 'second', 'late'])
}
