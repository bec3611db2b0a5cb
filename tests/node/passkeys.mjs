// A user registers passkeys in a browser and signs in with one; then what such a passkey has signed is shown where, when
// and how it must not be taken. The authenticator is one of Chromium's own making, whose private key can be asked for: what
// is made up here is signed as it would sign it. Prints what was seen.
import { X509Certificate, createHash, createPrivateKey, randomBytes, sign } from 'node:crypto'
import tls from 'node:tls'
import { chromium } from 'playwright-core'

const { ISSUER, OTHER_ISSUER, USER, PASSWORD, OTHER_USER, OTHER_PASSWORD, PORTCULLIS_HTTPS } = process.env
const issuer = new URL(ISSUER)
const seen = { faults: [], sessions: 0 }

// Browsers ask no authenticator where the certificate is not good: this one is, by its key.
async function pin() {
  const [host, port] = PORTCULLIS_HTTPS.split(':')
  const socket = tls.connect({ host, port: Number(port), servername: issuer.hostname, rejectUnauthorized: false })
  await new Promise((done, failed) => socket.once('secureConnect', done).once('error', failed))
  const key = new X509Certificate(socket.getPeerCertificate().raw).publicKey.export({ type: 'spki', format: 'der' })
  socket.destroy()
  return createHash('sha256').update(key).digest('base64')
}

// One request beside the browser.
async function send(path, form, cookie, origin = ISSUER) {
  const headers = { origin, 'content-type': 'application/x-www-form-urlencoded', ...(cookie ? { cookie } : {}) }
  const answer = await fetch(new URL(path, ISSUER), { method: 'POST', headers, body: new URLSearchParams(form), redirect: 'manual' })
  return { status: answer.status, cookies: answer.headers.getSetCookie(), text: await answer.text() }
}

// What a browser that was never here is given: a cookie, and a challenge that goes with it.
async function visit() {
  const answer = await fetch(new URL('/oauth/login?continue=/oauth/passkeys', ISSUER))
  const challenge = /data-challenge="([^"]+)"/.exec(await answer.text())[1]
  return { challenge, cookie: answer.headers.getSetCookie()[0].split(';')[0] }
}

// What a passkey would say: present and unlocked, for this host, unless something else is asked for.
function assertion(passkey, challenge, { origin = ISSUER, flags = 5, counter = ++passkey.counter } = {}) {
  const page = Buffer.from(JSON.stringify({ type: 'webauthn.get', challenge, origin, crossOrigin: false }))
  const said = Buffer.concat([createHash('sha256').update(issuer.hostname).digest(), Buffer.from([flags, 0, 0, 0, 0])])
  said.writeUInt32BE(counter, 33)
  const message = Buffer.concat([said, createHash('sha256').update(page).digest()])
  const form = {
    continue: '/oauth/passkeys',
    credential: passkey.id,
    client_data: page.toString('base64url'),
    authenticator_data: said.toString('base64url'),
    signature: sign('sha256', message, passkey.key).toString('base64url'),
    user_handle: passkey.user,
  }
  return form
}

async function signIn(form, cookie) {
  const { status } = await send('/oauth/login', form, cookie)
  seen.sessions += status === 303 ? 1 : 0
  return status
}

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', `--ignore-certificate-errors-spki-list=${await pin()}`,
    `--host-resolver-rules=MAP ${issuer.hostname}:443 ${PORTCULLIS_HTTPS}, MAP ${new URL(OTHER_ISSUER).hostname}:443 ${PORTCULLIS_HTTPS}`,
  ],
})
try {
  const context = await browser.newContext()
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  page.on('console', (it) => /Content Security Policy/.test(it.text()) && /script/.test(it.text()) && seen.faults.push(it.text()))
  page.on('pageerror', (it) => seen.faults.push(String(it)))
  const posted = []
  page.on('request', (it) => it.method() === 'POST' && posted.push(it.postData()))
  const cdp = await context.newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const options = {
    protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
    automaticPresenceSimulation: true,
  }
  const authenticator = async () => (await cdp.send('WebAuthn.addVirtualAuthenticator', { options })).authenticatorId
  const heading = (text) => page.getByRole('heading', { name: text }).waitFor()
  const listed = () => page.locator('form:has(input[name=remove]) p').evaluateAll((all) => all.map((it) => it.firstChild.textContent.trim()))
  const add = async (name) => {
    await page.getByLabel('Name of a new passkey').fill(name)
    await page.getByRole('button', { name: 'Add a passkey' }).click()
    await page.getByRole('button', { name: `Remove ${name}` }).waitFor()
  }

  const first = await authenticator()
  await page.goto(new URL('/oauth/passkeys', ISSUER).href)
  seen.unasked = await page.locator('h1').innerText()
  await page.getByLabel('Name or e-mail address').fill(USER)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await heading('Your passkeys')
  await add('Laptop')
  const registered = posted.at(-1)
  const session = (await context.cookies()).filter((it) => it.name === '__Host-portcullis').map((it) => `${it.name}=${it.value}`)[0]

  // Back another day.
  await context.clearCookies()
  await page.goto(new URL('/oauth/login?continue=/oauth/passkeys', ISSUER).href)
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
  await heading('Your passkeys')
  seen.signed_in = true
  seen.sessions += 1
  const used = new URLSearchParams(posted.at(-1))
  const before = (await context.cookies()).filter((it) => it.name === '__Host-portcullis-login').map((it) => `${it.name}=${it.value}`)[0]
  seen.replayed = await signIn(used, before)

  const { credentials: [kept] } = await cdp.send('WebAuthn.getCredentials', { authenticatorId: first })
  const laptop = {
    id: Buffer.from(kept.credentialId, 'base64').toString('base64url'),
    user: Buffer.from(kept.userHandle, 'base64').toString('base64url'),
    key: createPrivateKey({ key: Buffer.from(kept.privateKey, 'base64'), format: 'der', type: 'pkcs8' }),
    counter: kept.signCount + 10,
  }
  await cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: first })
  await authenticator()
  await add('Phone')
  seen.listed = await listed()

  // What was shown when it was registered, once more.
  seen.registered_by_replay = (await send('/oauth/passkeys', new URLSearchParams(registered), session)).status
  await page.reload()
  seen.registered_twice = await listed()

  // A page of another host.
  await page.goto(new URL('/oauth/login?continue=/oauth/passkeys', OTHER_ISSUER).href)
  seen.foreign_page = await page.evaluate(async (rpId) => {
    try {
      await navigator.credentials.get({ publicKey: { challenge: new Uint8Array(32), rpId, userVerification: 'required' } })
      return 'a passkey'
    } catch (refused) {
      return refused.name === 'SecurityError' ? 'nothing' : refused.name
    }
  }, issuer.hostname)

  // What the authenticator itself could have signed, each wrong in one way; the first in none.
  const one = await visit()
  const good = await signIn(assertion(laptop, one.challenge), one.cookie)
  if (good !== 303) throw new Error(`what is made up here is not taken: ${good}`)
  for (const [name, how] of [['another_origin', { origin: OTHER_ISSUER }], ['not_unlocked', { flags: 1 }], ['cloned', { counter: 1 }]]) {
    const fresh = await visit()
    seen[name] = await signIn(assertion(laptop, fresh.challenge, how), fresh.cookie)
  }
  const [mine, other] = [await visit(), await visit()]
  seen.another_browser = await signIn(assertion(laptop, mine.challenge), other.cookie)
  seen.another_challenge = await signIn(assertion(laptop, randomBytes(56).toString('base64url')), mine.cookie)

  // Others guess the password.
  const password = (it) => send('/oauth/login', { continue: '/oauth/passkeys', user: USER, password: it }, null)
  for (let number = 0; number < 10; number++) await password(`guess ${number}`)
  const right = (await password(PASSWORD)).status
  const again = await visit()
  seen.locked = [right, (await signIn(assertion(laptop, again.challenge), again.cookie)) === 303]

  // Another user removes none of them, and whose they are does.
  const eve = await send('/oauth/login', { continue: '/oauth/passkeys', user: OTHER_USER, password: OTHER_PASSWORD }, null)
  await page.goto(new URL('/oauth/passkeys', ISSUER).href)
  const id = await page.locator('input[name=remove]').first().inputValue()
  seen.removed_by_another = (await send('/oauth/passkeys', { remove: id }, eve.cookies[0].split(';')[0])).status
  await page.getByRole('button', { name: 'Remove Laptop' }).click()
  await page.getByRole('button', { name: 'Remove Laptop' }).waitFor({ state: 'detached' })
  seen.left = await listed()
  const last = await visit()
  seen.removed = await signIn(assertion(laptop, last.challenge), last.cookie)
} finally {
  await browser.close()
}
console.log(JSON.stringify(seen))
