// npm openid-client, unmodified, as an app with keys: private_key_jwt, a pushed request, DPoP, and sign-out at its word.
import * as client from 'openid-client'
import { given, signingKey, tell, walk } from './test_side.mjs'

const method = client.PrivateKeyJwt(await signingKey())
const config = await client.discovery(new URL(given.issuer), given.clientId, undefined, method, {
  execute: [client.allowInsecureRequests],
})
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const link = await client.buildAuthorizationUrlWithPAR(config, {
  redirect_uri: given.redirectUri,
  scope: given.scope,
  state,
  nonce,
  aud: given.fhirBase,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
}, { DPoP })

const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
const tokens = await client.authorizationCodeGrant(config, await walk(link.href), checks, undefined, { DPoP })
const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP })
const status = async (token, options) => {
  const url = new URL(user.fhirUser)
  const read = client.fetchProtectedResource(config, token, url, 'GET', undefined, undefined, options)
  return (await read.catch((error) => error)).status
}

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
const read = await status(refreshed.access_token, { DPoP })
const readWithoutProof = await status(refreshed.access_token)

const signedOut = await walk(client.buildEndSessionUrl(config, {
  id_token_hint: tokens.id_token,
  post_logout_redirect_uri: given.afterSignOut,
  state: 'bye',
}).href)
await client.tokenRevocation(config, refreshed.refresh_token)

tell({
  asked: Object.fromEntries(link.searchParams),
  patient: tokens.patient,
  tokenType: refreshed.token_type,
  claims: tokens.claims(),
  user,
  read,
  readWithoutProof,
  signedOut: signedOut.href,
  afterRevocation: await status(refreshed.access_token, { DPoP }),
})
