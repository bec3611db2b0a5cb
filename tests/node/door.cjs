// Every connection goes to the gateway of the test, whatever host is named: the names are those of the public APIs.
// Loaded before a script; `PORTCULLIS_HTTPS` is the listener.
'use strict'
const tls = require('node:tls')

const connect = tls.connect
const gateway = new URL(`https://${process.env.PORTCULLIS_HTTPS}`)
// What the script itself starts is asked as it is.
const own = (host) => host === '127.0.0.1' || host === 'localhost'

tls.connect = (options, ...more) => {
  if (typeof options !== 'object' || own(options.host ?? options.servername)) return connect(options, ...more)
  const servername = options.servername || options.host
  return connect({ ...options, servername, host: gateway.hostname, port: gateway.port }, ...more)
}
