// Express 4 for the tests: as far as they use it, it is typed as Express 5 is.

declare module 'express4' {
  import express from 'express'
  export default express
}
