// npm oauth4webapi, unmodified, as an app with keys: private_key_jwt, a pushed request, DPoP, introspection, revocation.
import * as oauth from 'oauth4webapi'
import { given, signingKey, tell, walk } from './test_side.mjs'

const plain = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(given.issuer)
const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain })
const as = await oauth.processDiscoveryResponse(issuer, found)
const client = { client_id: given.clientId }
const method = oauth.PrivateKeyJwt(await signingKey())
const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))

const verifier = oauth.generateRandomCodeVerifier()
const state = oauth.generateRandomState()
const nonce = oauth.generateRandomNonce()
const asked = new URLSearchParams({
  response_type: 'code',
  redirect_uri: given.redirectUri,
  scope: given.scope,
  state,
  nonce,
  aud: given.fhirBase,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
})
const answer = await oauth.pushedAuthorizationRequest(as, client, method, asked, { DPoP, ...plain })
const pushed = await oauth.processPushedAuthorizationResponse(as, client, answer)
const link = new URL(as.authorization_endpoint)
link.search = new URLSearchParams({ client_id: given.clientId, request_uri: pushed.request_uri })

const callback = oauth.validateAuthResponse(as, client, await walk(link.href), state)
const exchange = await oauth.authorizationCodeGrantRequest(
  as, client, method, callback, given.redirectUri, verifier, { DPoP, ...plain },
)
const tokens = await oauth.processAuthorizationCodeResponse(as, client, exchange, {
  expectedNonce: nonce,
  requireIdToken: true,
})
const claims = oauth.getValidatedIdTokenClaims(tokens)
const read = async () => {
  const url = new URL(claims.fhirUser)
  const options = { DPoP, ...plain }
  return oauth.protectedResourceRequest(tokens.access_token, 'GET', url, undefined, undefined, options)
    .catch((error) => error)
}
const introspect = async () => {
  const told = await oauth.introspectionRequest(as, client, method, tokens.access_token, plain)
  return oauth.processIntrospectionResponse(as, client, told)
}

const resource = await (await read()).json()
const live = await introspect()
const revoked = await oauth.revocationRequest(as, client, method, tokens.refresh_token, plain)
await oauth.processRevocationResponse(revoked)

tell({
  patient: tokens.patient,
  tokenType: tokens.token_type,
  claims,
  resource,
  live,
  ended: await introspect(),
  afterRevocation: (await read()).status,
})
