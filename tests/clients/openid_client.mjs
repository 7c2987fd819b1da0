// npm openid-client, unmodified: prints its authorization link, reads the address it is called back at, prints what it got.
import * as client from 'openid-client'
import { createInterface } from 'node:readline/promises'

const [issuer, clientId, clientSecret, redirectUri, fhirBase, scope] = process.argv.slice(2)
const method = clientSecret ? client.ClientSecretBasic(clientSecret) : client.None()
const config = await client.discovery(new URL(issuer), clientId, undefined, method, {
  execute: [client.allowInsecureRequests],
})

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const link = client.buildAuthorizationUrl(config, {
  redirect_uri: redirectUri,
  scope,
  state,
  nonce,
  aud: fhirBase,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
})
console.log(link.href)

const lines = createInterface({ input: process.stdin })
const callback = (await lines[Symbol.asyncIterator]().next()).value
lines.close()

const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
const tokens = await client.authorizationCodeGrant(config, new URL(callback), checks)
const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
const status = async (token) => {
  const answer = await client.fetchProtectedResource(config, token, new URL(user.fhirUser), 'GET').catch((error) => error)
  return answer.status
}

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
const afterRefresh = [await status(tokens.access_token), await status(refreshed.access_token)]
await client.tokenRevocation(config, refreshed.refresh_token)
const afterRevocation = await status(refreshed.access_token)

console.log(JSON.stringify({
  patient: tokens.patient,
  scope: tokens.scope,
  claims: tokens.claims(),
  user,
  patientAgain: refreshed.patient,
  afterRefresh,
  afterRevocation,
}))
