// oidc-provider as the identity provider of a tenant, on a port of its own. What it is told on `/control` has it misbehave:
// say other things in an ID token that its key has signed all the same, answer nothing, or lead elsewhere.
import { once } from 'node:events'
import http from 'node:http'
import { SignJWT, calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'

const [good, foreign] = await Promise.all([generateKeyPair('RS256', { extractable: true }), generateKeyPair('RS256')])
const jwk = { ...await exportJWK(good.privateKey), alg: 'RS256', use: 'sig' }
jwk.kid = await calculateJwkThumbprint(jwk)

const server = http.createServer((request, answer) => serve(request, answer).catch((why) => answer.writeHead(500).end(String(why))))
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const issuer = `http://127.0.0.1:${server.address().port}`

let provider
let people = {}
let faults = {}
const asked = {}

function start({ clients }) {
  provider = new Provider(issuer, {
    clients: clients.map((it) => ({
      response_types: ['code'],
      grant_types: ['authorization_code'],
      require_auth_time: true,
      backchannel_logout_session_required: true,
      ...it,
    })),
    jwks: { keys: [jwk] },
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'], groups: ['groups'] },
    cookies: { keys: ['a key of the test'] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => {
          ctx.body = `<!doctype html><title>Leave</title><h1>Leave?</h1>${form}<button type="submit" form="op.logoutForm" name="logout" value="yes">Leave</button>`
        },
      },
    },
    interactions: { url: (_, it) => `/interaction/${it.uid}` },
    pkce: { required: () => true },
    // The gateway is on this machine, wherever its names lead to elsewhere.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  })
  provider.use(async (ctx, next) => {
    await next()
    if (ctx.path !== '/token' || !ctx.body?.id_token) return
    if (faults.access_token) ctx.body.access_token = faults.access_token
    if (faults.claims || faults.foreign) ctx.body.id_token = await sign(decodeJwt(ctx.body.id_token), faults.claims, {})
  })
  provider.on('server_error', (_, why) => console.error(why))
  provider.on('backchannel.error', (_, why) => console.error(why))
  provider.on('grant.error', (_, why) => console.error(why.error, why.error_detail))
}

/** What a token says, with these things said otherwise, or not at all. */
function sign(claims, others, head) {
  const said = { ...claims, ...others }
  for (const [name, value] of Object.entries(said)) if (value === null) delete said[name]
  return new SignJWT(said).setProtectedHeader({ alg: 'RS256', kid: jwk.kid, ...head })
    .sign(faults.foreign ? foreign.privateKey : good.privateKey)
}

async function body(request) {
  const pieces = []
  for await (const it of request) pieces.push(it)
  return Buffer.concat(pieces).toString()
}

async function serve(request, answer) {
  const { pathname } = new URL(request.url, issuer)
  const told = (it) => answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(it))
  if (pathname === '/control') {
    const said = JSON.parse(await body(request))
    if (said.clients) start(said)
    people = said.people ?? people
    faults = said.faults ?? faults
    if (said.logout) return told({ token: await sign(said.logout, {}, { typ: 'logout+jwt', ...said.head }) })
    return told({ asked })
  }
  asked[pathname] = (asked[pathname] ?? 0) + 1
  if (faults.down?.includes(pathname)) return answer.writeHead(503).end()
  if (faults.redirect?.includes(pathname)) return answer.writeHead(302, { location: `${issuer}/elsewhere${pathname}` }).end()
  if (pathname.startsWith('/elsewhere/')) {
    request.url = request.url.slice('/elsewhere'.length)
    return provider.callback()(request, answer)
  }
  if (!pathname.startsWith('/interaction/')) return provider.callback()(request, answer)
  if (request.method === 'GET') {
    return answer.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><title>Acme</title>
      <h1>Who are you?</h1><form method="post"><label>Account <input name="account"></label><button>Go on</button></form>`)
  }
  const { params } = await provider.interactionDetails(request, answer)
  const accountId = new URLSearchParams(await body(request)).get('account')
  if (accountId === '') {
    return provider.interactionFinished(request, answer, { error: 'access_denied', error_description: '<b>no</b>' })
  }
  const grant = new provider.Grant({ accountId, clientId: params.client_id })
  grant.addOIDCScope(params.scope)
  await provider.interactionFinished(request, answer, { login: { accountId }, consent: { grantId: await grant.save() } })
}

console.log(JSON.stringify({ issuer }))
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
