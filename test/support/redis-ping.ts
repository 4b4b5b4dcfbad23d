// Asks over a plain socket whether a Redis answers, without a client that would retry by itself.

import { connect } from 'node:net'

/** True when PING is answered by anything but "still loading"; false when nobody answers in 500 ms. */
export function redisAnswers(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host })
    const answer = (up: boolean) => {
      socket.destroy()
      resolve(up)
    }
    socket.setTimeout(500, () => answer(false))
    socket.once('error', () => answer(false))
    socket.once('connect', () => socket.write('PING\r\n'))
    // -NOAUTH is an answer too: the server is up and wants a password.
    socket.once('data', (reply) => answer(!reply.toString().startsWith('-LOADING')))
    socket.once('close', () => answer(false))
  })
}
