// npm oauth4webapi, unmodified, as a program without a person: client_credentials, its own token told of and revoked.
import * as oauth from 'oauth4webapi'
import { given, signingKey, tell } from './test_side.mjs'

const plain = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(given.issuer)
const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain })
const as = await oauth.processDiscoveryResponse(issuer, found)
const client = { client_id: given.clientId }
const method = oauth.PrivateKeyJwt(await signingKey())

const asked = new URLSearchParams({ scope: given.scope })
const answer = await oauth.clientCredentialsGrantRequest(as, client, method, asked, plain)
const tokens = await oauth.processClientCredentialsResponse(as, client, answer)
const read = async () => {
  const url = new URL(given.read)
  return oauth.protectedResourceRequest(tokens.access_token, 'GET', url, undefined, undefined, plain)
    .catch((error) => error)
}

const resource = await (await read()).json()
const revoked = await oauth.revocationRequest(as, client, method, tokens.access_token, plain)
await oauth.processRevocationResponse(revoked)

tell({ scope: tokens.scope, expiresIn: tokens.expires_in, resource, afterRevocation: (await read()).status })
