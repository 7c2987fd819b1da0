// npm oidc-provider with its in-memory adapter: one client that asks for tokens by itself and introspects them.
import Provider from 'oidc-provider'

const [port, clientId, clientSecret] = process.argv.slice(2)
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: clientId,
    client_secret: clientSecret,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
  }],
  features: { clientCredentials: { enabled: true }, introspection: { enabled: true }, devInteractions: { enabled: false } },
  ttl: { ClientCredentials: 6 * 3600 },
})
const server = provider.listen(Number(port), '127.0.0.1')
server.keepAliveTimeout = 120_000
