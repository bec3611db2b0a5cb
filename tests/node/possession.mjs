// openid-client as a device without a browser (RFC 8628) and as an application, both with tokens that are bound to a key
// (RFC 9449); and as a thief who has the tokens and not the key. Prints what each has seen.
import assert from 'node:assert/strict'
import * as oidc from 'openid-client'

const { ISSUER, DEVICE, APP, USER, PASSWORD, BACK } = process.env

/** Somebody at a browser, who signs in and allows what they are asked for; where the browser is led at last. */
const cookies = new Map()
async function browse(url, form) {
  for (let hops = 0; hops < 12; hops += 1) {
    const headers = { cookie: [...cookies].map((it) => it.join('=')).join('; '), 'sec-fetch-site': 'same-origin' }
    const how = form ? { method: 'POST', headers, body: new URLSearchParams(form) } : { headers }
    const answer = await fetch(url, { ...how, redirect: 'manual' })
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
    assert.equal(answer.status, 200, page)
    const value = (name) => page.match(new RegExp(`name="${name}"[^>]* value="([^"]*)"`))?.[1].replaceAll('&amp;', '&')
    const action = page.match(/action="([^"]*)"/)?.[1]
    if (!action) return url
    url = new URL(action, ISSUER)
    if (page.includes('name="password"')) form = { continue: value('continue'), user: USER, password: PASSWORD }
    else if (value('asked')) form = { asked: value('asked'), decision: 'allow' }
    else form = { user_code: value('user_code') }
  }
  assert.fail('led on for ever')
}

const metadata = { token_endpoint_auth_method: 'none' }
const known = (id) => oidc.discovery(new URL(ISSUER), id, metadata, oidc.None())
const code = (why) => why.error ?? why.cause?.error ?? String(why)

/** What whoever has the tokens can do with the key, without it, and with another. */
async function used(config, tokens, DPoP) {
  const list = new URL('/v2/compute/instances', ISSUER)
  const listed = await oidc.fetchProtectedResource(config, tokens.access_token, list, 'GET', null, undefined, { DPoP })
  const stolen = await fetch(list, { headers: { authorization: `Bearer ${tokens.access_token}` } })
  const user = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP })
  const without = await oidc.refreshTokenGrant(config, tokens.refresh_token).then(() => false, () => true)
  const other = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('Ed25519'))
  const withAnother = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP: other })
    .then(() => 'taken', code)
  const next = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
  const again = await oidc.fetchProtectedResource(config, next.access_token, list, 'GET', null, undefined, { DPoP })
  assert.equal(again.status, 200)
  return {
    sub: tokens.claims().sub, token_type: tokens.token_type, listed: listed.status, stolen: stolen.status, without,
    with_another: withAnother, refreshed: next.token_type, named: user.sub === tokens.claims().sub,
  }
}

const device = await known(DEVICE)
const bound = oidc.getDPoPHandle(device, await oidc.randomDPoPKeyPair('ES256'))
const begun = await oidc.initiateDeviceAuthorization(device, { scope: 'openid profile compute' })
const [tokens] = await Promise.all([
  oidc.pollDeviceAuthorizationGrant(device, begun, undefined, { DPoP: bound }),
  browse(new URL(begun.verification_uri_complete)),
])
const seen = { device: await used(device, tokens, bound) }

const app = await known(APP)
const keys = await oidc.randomDPoPKeyPair('ES256')
async function signIn() {
  const DPoP = oidc.getDPoPHandle(app, keys)
  const verifier = oidc.randomPKCECodeVerifier()
  const request = {
    redirect_uri: BACK, scope: 'openid compute', state: oidc.randomState(),
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  }
  const back = await browse(await oidc.buildAuthorizationUrlWithPAR(app, request, { DPoP }))
  return { back, checks: { pkceCodeVerifier: verifier, expectedState: request.state, idTokenExpected: true }, DPoP }
}
const stolen = await signIn()
const thief = oidc.getDPoPHandle(app, await oidc.randomDPoPKeyPair('ES256'))
const otherKey = await oidc.authorizationCodeGrant(app, stolen.back, stolen.checks, undefined, { DPoP: thief })
  .then(() => 'taken', code)
const own = await signIn()
const given = await oidc.authorizationCodeGrant(app, own.back, own.checks, undefined, { DPoP: own.DPoP })
seen.app = { ...await used(app, given, own.DPoP), other_key: otherKey }
console.log(JSON.stringify(seen))
