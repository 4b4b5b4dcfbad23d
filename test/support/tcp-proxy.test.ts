// What each mode of the TCP proxy does to the connections through it.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eventually } from './eventually.ts'
import { startTcpProxy } from './tcp-proxy.ts'

/** A server that answers every chunk with itself in upper case. */
async function shouter() {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => socket.write(chunk.toString().toUpperCase()))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

async function speaker(port: number) {
  const socket = connect({ port, host: '127.0.0.1' })
  const speaker = {
    socket,
    heard: '',
    closed: false,
    [Symbol.dispose]: () => void socket.destroy(),
  }
  socket.on('data', (chunk) => {
    speaker.heard += chunk
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    speaker.closed = true
  })
  await once(socket, 'connect')
  return speaker
}

test('pass forwards both ways and counts connections', async () => {
  await using target = await shouter()
  await using proxy = await startTcpProxy(target)
  using a = await speaker(proxy.port)
  a.socket.write('hello')
  await eventually(() => a.heard === 'HELLO')
  expect(proxy.accepted).toBe(1)
  expect(proxy.open).toBe(1)
  a.socket.end()
  await eventually(() => proxy.open === 0)
  expect(a.closed).toBe(true)
})

test('hold keeps open connections silent and delivers in order on resume', async () => {
  await using target = await shouter()
  await using proxy = await startTcpProxy(target)
  using a = await speaker(proxy.port)
  a.socket.write('a')
  await eventually(() => a.heard === 'A')
  await proxy.hold()
  a.socket.write('b')
  await sleep(50)
  a.socket.write('c')
  await sleep(50)
  expect(a.heard).toBe('A')
  expect(a.closed).toBe(false)
  await proxy.pass()
  await eventually(() => a.heard === 'ABC')
})

test('hold with drop loses what was said meanwhile, and the connection that it was said on', async () => {
  await using target = await shouter()
  await using proxy = await startTcpProxy(target)
  using loser = await speaker(proxy.port)
  using silent = await speaker(proxy.port)
  await eventually(() => target.connections === 2)
  await proxy.hold({ onResume: 'drop' })
  loser.socket.write('lost')
  await sleep(50)
  await proxy.pass()
  await eventually(() => loser.closed)
  silent.socket.write('kept')
  await eventually(() => silent.heard !== '')
  expect([loser.heard, silent.heard]).toEqual(['', 'KEPT'])
})

test('hold accepts new connections, which the target sees only after it', async () => {
  await using target = await shouter()
  await using proxy = await startTcpProxy(target)
  await proxy.hold()
  using a = await speaker(proxy.port)
  a.socket.write('late')
  await sleep(50)
  expect(target.connections).toBe(0)
  expect(a.heard).toBe('')
  await proxy.pass()
  await eventually(() => a.heard === 'LATE')
})

test('hold hides the end of the other side until it resumes', async () => {
  const target = await shouter()
  await using proxy = await startTcpProxy(target)
  using a = await speaker(proxy.port)
  a.socket.write('a')
  await eventually(() => a.heard === 'A')
  await proxy.hold()
  await target[Symbol.asyncDispose]()
  await sleep(50)
  expect(a.closed).toBe(false)
  await proxy.pass()
  await eventually(() => a.closed)
})

test('cut destroys connections and refuses new ones until pass', async () => {
  await using target = await shouter()
  await using proxy = await startTcpProxy(target)
  using a = await speaker(proxy.port)
  await proxy.cut()
  await eventually(() => a.closed)
  await expect(speaker(proxy.port)).rejects.toThrow('ECONNREFUSED')
  await proxy.pass()
  using b = await speaker(proxy.port)
  b.socket.write('back')
  await eventually(() => b.heard === 'BACK')
})

test('delay takes its time in each direction and keeps the order', async () => {
  await using target = await shouter()
  await using proxy = await startTcpProxy(target)
  using a = await speaker(proxy.port)
  await proxy.delay(60)
  const started = performance.now()
  a.socket.write('slow')
  await sleep(10)
  await proxy.pass()
  a.socket.write('fast')
  await eventually(() => a.heard === 'SLOWFAST')
  expect(performance.now() - started).toBeGreaterThanOrEqual(59)
})

test('a target that is down closes the connection', async () => {
  const target = await shouter()
  const { port } = target
  await target[Symbol.asyncDispose]()
  await using proxy = await startTcpProxy({ port })
  using a = await speaker(proxy.port)
  await eventually(() => a.closed)
})

test('through names the proxy in the place of the server', async () => {
  await using proxy = await startTcpProxy({ port: 1 })
  expect(proxy.through('redis://user:secret@example.com:6379/2')).toBe(
    `redis://user:secret@127.0.0.1:${proxy.port}/2`,
  )
})
