// openid-client as a relying party of our issuer: discovery, the code with PKCE, pushed requests, refresh, user info,
// introspection, revocation, client credentials; and an answer of somebody else, which it must not believe.
import assert from 'node:assert/strict'
import https from 'node:https'
import * as oidc from 'openid-client'

const { ISSUER, PUBLIC, PUSHES, PUSHES_SECRET, SERVICE, SERVICE_SECRET, USER, PASSWORD, BACK } = process.env
const [host, port] = process.env.PORTCULLIS_HTTPS.split(':')

/** `fetch`, but every name leads to the gateway under test. */
function fetching(url, options = {}) {
  const to = new URL(url)
  const body = options.body === undefined || options.body === null ? undefined : String(options.body)
  const headers = { ...Object.fromEntries(new Headers(options.headers)), host: to.host }
  if (body !== undefined) {
    headers['content-type'] ??= 'application/x-www-form-urlencoded;charset=UTF-8'
    headers['content-length'] = Buffer.byteLength(body)
  }
  const how = { host, port, servername: to.hostname, path: to.pathname + to.search, method: options.method ?? 'GET', headers }
  return new Promise((resolve, reject) => {
    const request = https.request(how, (answer) => {
      const pieces = []
      answer.on('data', (it) => pieces.push(it))
      answer.on('end', () => {
        const empty = [204, 304].includes(answer.statusCode)
        const said = new Headers()
        for (let at = 0; at < answer.rawHeaders.length; at += 2) said.append(answer.rawHeaders[at], answer.rawHeaders[at + 1])
        resolve(new Response(empty ? null : Buffer.concat(pieces), { status: answer.statusCode, headers: said }))
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** Somebody at a browser: follows redirects of the issuer, signs in, lets clients in. */
const cookies = new Map()
async function browse(url, form) {
  for (let hops = 0; hops < 10; hops += 1) {
    const headers = { cookie: [...cookies].map((it) => it.join('=')).join('; '), 'sec-fetch-site': 'same-origin' }
    const answer = await fetching(url, form ? { method: 'POST', headers, body: new URLSearchParams(form) } : { headers })
    for (const it of answer.headers.getSetCookie()) {
      const [name, value] = it.split(';')[0].split('=')
      cookies.set(name, value)
    }
    if (answer.status === 303) {
      url = new URL(answer.headers.get('location'), url)
      form = undefined
      if (url.href.startsWith(BACK)) return url
      continue
    }
    const page = await answer.text()
    const hidden = (name) => page.match(new RegExp(`name="${name}" value="([^"]*)"`))?.[1].replaceAll('&amp;', '&')
    assert.equal(answer.status, 200, page)
    if (hidden('asked')) {
      form = { asked: hidden('asked'), decision: 'allow' }
      url = new URL('/oauth/consent', ISSUER)
    } else {
      form = { continue: hidden('continue'), user: USER, password: PASSWORD }
      url = new URL('/oauth/login', ISSUER)
    }
  }
  assert.fail('led on for ever')
}

const known = (id, metadata, how) => oidc.discovery(new URL(ISSUER), id, metadata, how, { [oidc.customFetch]: fetching })

async function signIn(config, build) {
  const verifier = oidc.randomPKCECodeVerifier()
  const [expectedState, expectedNonce] = [oidc.randomState(), oidc.randomNonce()]
  const url = await build(config, {
    redirect_uri: BACK,
    scope: 'openid profile compute',
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  const back = await browse(url)
  const checks = { pkceCodeVerifier: verifier, expectedState, expectedNonce, idTokenExpected: true, maxAge: 3600 }
  return { back, checks, tokens: await oidc.authorizationCodeGrant(config, back, checks) }
}

const app = await known(PUBLIC, { token_endpoint_auth_method: 'none' }, oidc.None())
const { back, checks, tokens } = await signIn(app, oidc.buildAuthorizationUrl)
const claims = tokens.claims()
const user = await oidc.fetchUserInfo(app, tokens.access_token, claims.sub)
const next = await oidc.refreshTokenGrant(app, tokens.refresh_token)
assert.notEqual(next.refresh_token, tokens.refresh_token)

const elsewhere = new URL(back)
elsewhere.searchParams.set('iss', 'https://evil.example')
const mixedUp = await oidc.authorizationCodeGrant(app, elsewhere, checks).then(() => false, () => true)
const replayed = await oidc.authorizationCodeGrant(app, back, checks).then(() => 'taken', (why) => why.error)
await assert.rejects(oidc.fetchUserInfo(app, next.access_token, claims.sub), 'what came of the code is ended')

const pushing = await known(PUSHES, undefined, oidc.ClientSecretBasic(PUSHES_SECRET))
const pushed = await signIn(pushing, oidc.buildAuthorizationUrlWithPAR)
const state = await oidc.tokenIntrospection(pushing, pushed.tokens.access_token)
assert.deepEqual([state.active, state.client_id, state.sub], [true, PUSHES, claims.sub])
await oidc.tokenRevocation(pushing, pushed.tokens.refresh_token)
assert.equal((await oidc.tokenIntrospection(pushing, pushed.tokens.access_token)).active, false)

const service = await known(SERVICE, undefined, oidc.ClientSecretBasic(SERVICE_SECRET))
const own = await oidc.clientCredentialsGrant(service, { scope: 'compute' })
assert.equal(own.scope, 'compute')

console.log(JSON.stringify({ sub: user.sub, name: user.name, mixed_up: mixedUp, replayed }))
