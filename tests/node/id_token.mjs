// openid-client as an application that has just been sent a user back: it redeems the code, and verifies the ID token with
// the keys that the issuer publishes, by what the issuer says that it signs with. Prints what it has found.
import { createHash } from 'node:crypto'
import * as oidc from 'openid-client'

const { ISSUER, CLIENT_ID, CALLBACK, VERIFIER } = process.env
const config = await oidc.discovery(new URL(ISSUER), CLIENT_ID, undefined, oidc.None())
// It has come over TLS, so that nobody would have to look at the signature. This one does.
oidc.enableNonRepudiationChecks(config)
const tokens = await oidc.authorizationCodeGrant(config, new URL(CALLBACK), {
  pkceCodeVerifier: VERIFIER, expectedState: 's', expectedNonce: 'n', idTokenExpected: true,
})
const head = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url'))
// OpenID Connect Core, section 3.1.3.6: the half of the digest that the signature is made with. The library does not look.
const digest = (name) => createHash(name).update(tokens.access_token).digest()
const half = (whole) => whole.subarray(0, whole.length / 2).toString('base64url')
const hash = half(digest(head(tokens.id_token).alg === 'EdDSA' ? 'sha512' : 'sha256'))
const listed = await oidc.fetchProtectedResource(config, tokens.access_token, new URL('/v2/compute/instances', ISSUER), 'GET')
console.log(JSON.stringify({
  id: head(tokens.id_token), access: head(tokens.access_token), claims: tokens.claims(), hash, listed: listed.status,
  supported: config.serverMetadata().id_token_signing_alg_values_supported,
}))
