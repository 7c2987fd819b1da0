// npm openid-client, unmodified, as an app with a secret or without: code flow with PKCE, user info, refresh, revocation.
import * as client from 'openid-client'
import { given, tell, walk } from './test_side.mjs'

const method = given.secret ? client.ClientSecretBasic(given.secret) : client.None()
const config = await client.discovery(new URL(given.issuer), given.clientId, undefined, method, {
  execute: [client.allowInsecureRequests],
})

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const link = client.buildAuthorizationUrl(config, {
  redirect_uri: given.redirectUri,
  scope: given.scope,
  state,
  nonce,
  aud: given.fhirBase,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
})

const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
const tokens = await client.authorizationCodeGrant(config, await walk(link.href), checks)
const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
const status = async (token) => {
  const answer = await client.fetchProtectedResource(config, token, new URL(user.fhirUser), 'GET').catch((error) => error)
  return answer.status
}

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
const afterRefresh = [await status(tokens.access_token), await status(refreshed.access_token)]
await client.tokenRevocation(config, refreshed.refresh_token)
const afterRevocation = await status(refreshed.access_token)

tell({
  patient: tokens.patient,
  scope: tokens.scope,
  claims: tokens.claims(),
  user,
  patientAgain: refreshed.patient,
  afterRefresh,
  afterRevocation,
})
