// npm @openid/appauth, unmodified, as a native app: opens the system's browser, listens on the loopback interface itself.
import { register } from 'node:module'
import { given, tell } from './test_side.mjs'

// Its modules name each other without the endings that node wants: bundlers add them, and so does this.
register('./as_bundlers_do.mjs', import.meta.url)
const appauth = await import('@openid/appauth')
const { NodeBasedHandler, NodeCrypto, NodeRequestor } = await import('@openid/appauth/built/src/node_support/index.js')

appauth.setFlag('IS_LOG', false)
const requestor = new NodeRequestor()
const config = await appauth.AuthorizationServiceConfiguration.fetchFromIssuer(given.issuer, requestor)
const opened = new appauth.AuthorizationRequest({
  client_id: given.clientId,
  redirect_uri: given.redirectUri,
  scope: given.scope,
  response_type: appauth.AuthorizationRequest.RESPONSE_TYPE_CODE,
  extras: { aud: given.fhirBase },
}, new NodeCrypto())

const code = await new Promise((resolve, reject) => {
  const handler = new NodeBasedHandler(Number(new URL(given.redirectUri).port))
  const notifier = new appauth.AuthorizationNotifier()
  handler.setAuthorizationNotifier(notifier)
  notifier.setAuthorizationListener((_request, response, error) => (response ? resolve(response.code) : reject(error)))
  handler.performAuthorizationRequest(config, opened)
})

const endpoint = new appauth.BaseTokenRequestHandler(requestor)
const ask = (what) => endpoint.performTokenRequest(config, new appauth.TokenRequest({
  client_id: given.clientId, redirect_uri: given.redirectUri, ...what,
}))
const status = async (token) => {
  const answer = await fetch(given.read, { headers: { Authorization: `Bearer ${token}` } })
  return answer.status
}

const tokens = await ask({
  grant_type: appauth.GRANT_TYPE_AUTHORIZATION_CODE,
  code,
  extras: { code_verifier: opened.internal.code_verifier },
})
const read = await status(tokens.accessToken)
const refreshed = await ask({ grant_type: appauth.GRANT_TYPE_REFRESH_TOKEN, refresh_token: tokens.refreshToken })
const afterRefresh = [await status(tokens.accessToken), await status(refreshed.accessToken)]
const revoking = { token: refreshed.refreshToken, client_id: given.clientId }
await endpoint.performRevokeTokenRequest(config, new appauth.RevokeTokenRequest(revoking))

tell({ scope: tokens.scope, read, afterRefresh, afterRevocation: await status(refreshed.accessToken) })
