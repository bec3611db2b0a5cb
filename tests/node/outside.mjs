// A user of a tenant signs in at the tenant's own provider, lets an application act for them, and signs out of both, in a
// browser without scripts; then once more, and leaves at the provider, which says so by itself. Prints what both have seen.
import { once } from 'node:events'
import http from 'node:http'
import * as client from 'openid-client'
import { chromium } from 'playwright-core'

const { ISSUER, CLIENT_ID, PROVIDER, PORTCULLIS_HTTPS } = process.env
const issuer = new URL(ISSUER)
const seen = {}

const application = http.createServer((_, answer) => answer.end('<!doctype html><title>Back</title>'))
application.listen(0, '127.0.0.1')
await once(application, 'listening')
const back = `http://127.0.0.1:${application.address().port}/callback`
const bye = 'https://app.example/bye'
const config = await client.discovery(issuer, CLIENT_ID, undefined, client.None())

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', `--host-resolver-rules=MAP ${issuer.hostname}:443 ${PORTCULLIS_HTTPS}`,
  ],
})
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false })
  await context.route('https://app.example/**', (route) => route.fulfill({ body: 'bye', contentType: 'text/html' }))
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)

  const ask = async () => {
    const verifier = client.randomPKCECodeVerifier()
    const request = {
      redirect_uri: back,
      scope: 'openid profile compute',
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state: client.randomState(),
      nonce: client.randomNonce(),
    }
    await page.goto(client.buildAuthorizationUrl(config, request).href)
    return async () => {
      await page.waitForURL(`${back}?**`)
      return client.authorizationCodeGrant(config, new URL(page.url()), {
        pkceCodeVerifier: verifier, expectedState: request.state, expectedNonce: request.nonce, idTokenExpected: true,
      })
    }
  }
  const list = (tokens) => client.fetchProtectedResource(
    config, tokens.access_token, new URL('/v2/compute/instances', issuer), 'GET').then((it) => it.status, (why) => why.status)
  const signInThere = async () => {
    await page.getByRole('link', { name: 'Sign in with Acme Login' }).click()
    await page.waitForURL(`${PROVIDER}/interaction/**`)
    const heading = await page.locator('h1').innerText()
    await page.getByLabel('Account').fill('ann')
    await page.getByRole('button').click()
    return heading
  }

  let finish = await ask()
  seen.provider_page = await signInThere()
  seen.consent = await page.locator('main').innerText()
  await page.getByRole('button', { name: 'Allow' }).click()
  let tokens = await finish()
  seen.claims = tokens.claims()
  seen.name = (await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)).name
  seen.listed = await list(tokens)

  const leave = { post_logout_redirect_uri: bye, id_token_hint: tokens.id_token, state: 'bye' }
  await page.goto(client.buildEndSessionUrl(config, leave).href)
  await page.waitForURL(`${PROVIDER}/session/end**`)
  await page.getByRole('button').click()
  await page.waitForURL(`${bye}**`)
  seen.bye = page.url()
  seen.after = await list(tokens)

  finish = await ask()
  seen.asked_again = await page.locator('h1').innerText()
  seen.asked_there = await signInThere()
  await page.getByRole('button', { name: 'Allow' }).click()
  tokens = await finish()
  seen.before_leaving = await list(tokens)
  await page.goto(`${PROVIDER}/session/end`)
  await page.getByRole('button').click()
  await page.waitForURL(`${PROVIDER}/session/end/success**`)
  seen.after_leaving = await list(tokens)
} finally {
  await browser.close()
  application.close()
}
console.log(JSON.stringify(seen))
