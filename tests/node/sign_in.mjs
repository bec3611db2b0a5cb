// A user signs in with a password and a code, lets an application act for them, and signs out, in a browser; the
// application is a public client with PKCE, written with openid-client. Prints what both have seen.
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import * as client from 'openid-client'
import { chromium } from 'playwright-core'

const { ISSUER, CLIENT_ID, USER, PASSWORD, SECRET, RECOVERY, PORTCULLIS_HTTPS } = process.env
const issuer = new URL(ISSUER)
const seen = { pages: [] }

// What an authenticator shows half a minute from now (RFC 6238): each code is good once, and that of now was used.
function code() {
  const bits = [...SECRET].map((it) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(it).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((it) => parseInt(it, 2)))
  const step = Buffer.alloc(8)
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + 1))
  const tag = createHmac('sha1', key).update(step).digest()
  const number = tag.readUInt32BE(tag[19] & 15) & 0x7fffffff
  return String(number % 1_000_000).padStart(6, '0')
}

// The application's own place on the loopback interface, on whatever port is free (RFC 8252 section 7.3).
const application = http.createServer((_, answer) => answer.end('<!doctype html><title>Back</title>'))
application.listen(0, '127.0.0.1')
await once(application, 'listening')
const back = `http://127.0.0.1:${application.address().port}/callback`

const config = await client.discovery(issuer, CLIENT_ID, undefined, client.None())
const verifier = client.randomPKCECodeVerifier()
const request = {
  redirect_uri: back,
  scope: 'openid profile compute',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state: client.randomState(),
  nonce: client.randomNonce(),
}

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', `--host-resolver-rules=MAP ${issuer.hostname}:443 ${PORTCULLIS_HTTPS}`,
  ],
})
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const look = async () => seen.pages.push(await page.locator('h1').innerText())

  await page.goto(client.buildAuthorizationUrl(config, request).href)
  await look()
  await page.getByLabel('Name or e-mail address').fill(USER)
  await page.getByLabel('Password').fill('not the password')
  await page.getByRole('button').click()
  seen.refused = await page.getByRole('alert').innerText()
  seen.described = await page.getByLabel('Password').getAttribute('aria-describedby')
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button').click()
  await page.getByLabel(/Code/).fill(code())
  await page.getByRole('button').click()
  await look()
  seen.consent = await page.locator('main').innerText()
  await page.getByRole('button', { name: /allow/i }).click()
  await page.waitForURL(`${back}?**`)

  const tokens = await client.authorizationCodeGrant(config, new URL(page.url()), {
    pkceCodeVerifier: verifier,
    expectedState: request.state,
    expectedNonce: request.nonce,
    idTokenExpected: true,
  })
  seen.claims = tokens.claims()
  seen.scope = tokens.scope
  seen.userinfo = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
  const listed = await client.fetchProtectedResource(
    config, tokens.access_token, new URL('/v2/compute/instances', issuer), 'GET')
  seen.listed = listed.status
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token)
  seen.turned = renewed.refresh_token !== tokens.refresh_token

  // The browser is signed in still. Whoever waits on this machine could be anybody, so that it is asked about again.
  const again = { ...request, state: client.randomState(), nonce: client.randomNonce() }
  await page.goto(client.buildAuthorizationUrl(config, again).href)
  await look()
  await page.getByRole('button', { name: /allow/i }).click()
  await page.waitForURL(`${back}?**`)
  seen.again = new URL(page.url()).searchParams.has('code')

  // Somebody who comes back later signs in, and is asked.
  await context.clearCookies()
  const later = { ...request, state: client.randomState(), nonce: client.randomNonce() }
  await page.goto(client.buildAuthorizationUrl(config, later).href)
  await page.getByLabel('Name or e-mail address').fill(USER)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button').click()
  await page.getByLabel(/Code/).fill(RECOVERY)
  await page.getByRole('button').click()
  await page.getByRole('button', { name: /allow/i }).click()
  await page.waitForURL(`${back}?**`)
  seen.later = new URL(page.url()).searchParams.get('state') === later.state

  await client.tokenRevocation(config, renewed.refresh_token)
  seen.after = await client.fetchProtectedResource(
    config, renewed.access_token, new URL('/v2/compute/instances', issuer), 'GET').then((it) => it.status, (why) => why.status)
} finally {
  await browser.close()
  application.close()
}
console.log(JSON.stringify(seen))
