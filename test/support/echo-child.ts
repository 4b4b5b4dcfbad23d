// The child program of child.test.ts: tells its argument, echoes one message, then fails if told to.

import { argument, hear, tell } from './parent.ts'

tell('started', { argument: argument<unknown>(), flag: process.env.ECHO_FLAG })
const { text, next } = await hear<{ type: 'say'; text: string; next: string }>('say')
tell('said', { text })
if (next === 'fail') throw new Error('told to fail')
if (next === 'hang') setInterval(() => {}, 1_000)
