// Timers: as long as they are said to be, also beyond what the platform's can hold.

import { expect, test } from 'vitest'
import { after } from '../../src/core/clock.ts'
import { fakeTime } from '../support/fake-time.ts'

const time = fakeTime()

const DAY = 86_400_000

test('a timer of sixty days fires after sixty days', async () => {
  let fired = 0
  after(60 * DAY, () => fired++, 'background')
  await time.pass(60 * DAY - 1)
  expect(fired).toBe(0)
  await time.pass(1)
  await time.pass(60 * DAY)
  expect(fired).toBe(1)
})

test('a timer of sixty days can be stopped at any time', async () => {
  let fired = 0
  const timer = after(60 * DAY, () => fired++, 'background')
  await time.pass(59 * DAY)
  timer.stop()
  await time.pass(60 * DAY)
  expect(fired).toBe(0)
})
