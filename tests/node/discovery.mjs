// What a relying party learns of the issuer that it is told to trust.
import * as client from 'openid-client'

const issuer = new URL(process.env.ISSUER)
const found = await client.discovery(issuer, 'nobody', undefined, undefined, { algorithm: 'oauth2' })
console.log(JSON.stringify(found.serverMetadata()))
