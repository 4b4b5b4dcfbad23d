// Abort signals with many waiters: one listener each, and none left behind.

import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { abortError, joinSignals, onAbort } from '../../src/core/abort.ts'
import { ClosedError, isAbortedError } from '../../src/index.ts'

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

describe('onAbort', () => {
  test('calls everybody who asked, in order, once', () => {
    const controller = new AbortController()
    const called: string[] = []
    onAbort(controller.signal, () => called.push('first'))
    onAbort(controller.signal, () => called.push('second'))
    controller.abort()
    controller.abort()
    expect(called).toEqual(['first', 'second'])
  })

  test('puts one listener on the signal, and takes it off with the last who leaves', () => {
    const { signal } = new AbortController()
    const leave = Array.from({ length: 1_000 }, () => onAbort(signal, () => {}))
    expect(listeners(signal)).toBe(1)
    for (const each of leave) each()
    expect(listeners(signal)).toBe(0)
  })

  test('does not call who has left', () => {
    const controller = new AbortController()
    let called = false
    onAbort(controller.signal, () => {
      called = true
    })()
    controller.abort()
    expect(called).toBe(false)
  })

  test('keeps one function that was given twice until it was taken back twice', () => {
    const controller = new AbortController()
    let called = 0
    const callback = () => {
      called++
    }
    const leave = onAbort(controller.signal, callback)
    onAbort(controller.signal, callback)
    leave()
    leave()
    controller.abort()
    expect(called).toBe(1)
  })

  test('may be asked again by who is called', () => {
    const controller = new AbortController()
    const leave = onAbort(controller.signal, () => leave())
    expect(() => controller.abort()).not.toThrow()
    expect(listeners(controller.signal)).toBe(0)
  })

  test('starts anew after the last has left', () => {
    const controller = new AbortController()
    onAbort(controller.signal, () => {})()
    let called = false
    onAbort(controller.signal, () => {
      called = true
    })
    controller.abort()
    expect(called).toBe(true)
  })
})

describe('joinSignals', () => {
  test('aborts with the first, and with its reason', () => {
    const [a, b] = [new AbortController(), new AbortController()]
    const { signal } = joinSignals([a.signal, undefined, b.signal])
    expect(signal.aborted).toBe(false)
    b.abort('b')
    a.abort('a')
    expect(signal.reason).toBe('b')
  })

  test('is aborted when one is already', () => {
    const { signal } = joinSignals([new AbortController().signal, AbortSignal.abort('a')])
    expect(signal.reason).toBe('a')
  })

  test('leaves nothing behind when it is let go', () => {
    const controller = new AbortController()
    const { signal, letGo } = joinSignals([controller.signal])
    expect(listeners(controller.signal)).toBe(1)
    letGo()
    letGo()
    expect(listeners(controller.signal)).toBe(0)
    controller.abort()
    expect(signal.aborted).toBe(false)
  })
})

describe('the error of an aborted signal', () => {
  test('has the reason as its cause', () => {
    const reason = new Error('too late')
    const error = abortError(AbortSignal.abort(reason), 'orders:42')
    expect(error).toSatisfy(isAbortedError)
    expect(error).toMatchObject({
      message: "Aborted while waiting for 'orders:42'",
      key: 'orders:42',
      cause: reason,
    })
  })

  test('is the reason itself when that is one of ours', () => {
    const reason = new ClosedError('The scope has ended')
    expect(abortError(AbortSignal.abort(reason))).toBe(reason)
  })

  test('takes any reason', () => {
    expect(abortError(AbortSignal.abort('why'))).toMatchObject({ message: 'Aborted', cause: 'why' })
    expect(abortError(AbortSignal.abort(null)).cause).toBeNull()
  })
})
