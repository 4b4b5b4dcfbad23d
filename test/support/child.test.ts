// What a test can ask of a child program.

import { expect, test } from 'vitest'
import { startChild } from './child.ts'

const file = new URL('./echo-child.ts', import.meta.url)

test('a child gets its argument and environment, and answers', async () => {
  await using child = startChild(file, { argument: { n: 1 }, env: { ECHO_FLAG: 'up' } })
  expect(await child.next('started')).toEqual({ type: 'started', argument: { n: 1 }, flag: 'up' })
  child.send({ type: 'say', text: 'hello' })
  expect(await child.next('said')).toEqual({ type: 'said', text: 'hello' })
})

test('a child that has nothing left to do ends by itself', async () => {
  await using child = startChild(file)
  child.send({ type: 'say', text: 'bye' })
  expect(await child.exit).toEqual({ code: 0, signal: null })
})

test('a killed child reports its signal, and its messages stay readable', async () => {
  await using child = startChild(file)
  child.send({ type: 'say', text: 'a', next: 'hang' })
  await child.next('said')
  expect(await child.kill('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' })
  expect(await child.next('started')).toMatchObject({ type: 'started' })
})

test('waiting for a message of a child that died shows what it wrote to stderr', async () => {
  await using child = startChild(file)
  child.send({ type: 'say', text: 'a', next: 'fail' })
  await expect(child.next('never')).rejects.toThrow(/it ended with code 1.*told to fail/s)
})

test('waiting for a message that does not come ends', async () => {
  await using child = startChild(file)
  await expect(child.next('never', 50)).rejects.toThrow('none came within 50 ms')
})
