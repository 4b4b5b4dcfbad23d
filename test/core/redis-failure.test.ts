// What replies of Redis mean, in the words of each version.

import { expect, test } from 'vitest'
import { isDemoted, isPassing, typed } from '../../src/adapters/redis/failure.ts'
import { isStoreCorruptError, isStoreUnavailableError } from '../../src/index.ts'

const sha = '1028a5dba704e1d8a01fd96efeba25bb78f62df2'

function reply(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' })
}

test.each([
  [
    'Redis 6.2',
    `ERR Error running script (call to f_${sha}): @user_script:4: @user_script: 4: -READONLY You can't write against a read only replica.`,
  ],
  [
    'Redis 7',
    `READONLY You can't write against a read only replica. script: ${sha}, on @user_script:4.`,
  ],
])('a replica that a script wanted to write to has been demoted: %s', (_version, text) => {
  const error = reply(text)
  expect([isDemoted(error), isPassing(error)]).toEqual([true, true])
})

test.each([
  [
    'Redis 6.2',
    `ERR Error running script (call to f_${sha}): @user_script:11: WRONGTYPE Operation against a key holding the wrong kind of value`,
  ],
  [
    'Redis 7',
    `WRONGTYPE Operation against a key holding the wrong kind of value script: ${sha}, on @user_script:11.`,
  ],
])('a key of another type, met by a script, is corrupt: %s', (_version, text) => {
  expect(isStoreCorruptError(typed(reply(text), 'k'))).toBe(true)
})

test.each([
  [
    'Redis 6.2',
    `ERR Error running script (call to f_${sha}): @user_script:1: @user_script: 1: -OOM command not allowed when used memory > 'maxmemory'.`,
  ],
  ['Redis 7', "OOM command not allowed when used memory > 'maxmemory'."],
])('what a server without memory refuses has had no effect: %s', (_version, text) => {
  const error = typed(reply(text), 'k')
  expect(isStoreUnavailableError(error) && error.outcome).toBe('none')
  expect(error.message).toContain("'k': OOM")
})

test.each([
  [
    'Redis 6.2',
    `ERR Error running script (call to f_${sha}): @user_script:15: user_script:15: bad argument #1 to 'max' (number expected, got nil)`,
  ],
  [
    'Redis 7',
    `ERR user_script:15: bad argument #1 to 'max' (number expected, got nil) script: ${sha}, on @user_script:15.`,
  ],
])('what a script cannot read is corrupt: %s', (_version, text) => {
  expect(isStoreCorruptError(typed(reply(text), 'k'))).toBe(true)
})
