// npm fhirclient, unmodified, with tokens that its app keeps: it reads, meets a pause, and reads again once resumed.
import { createRequire } from 'node:module'
import { given, tell, walk } from './test_side.mjs'

const smart = createRequire(import.meta.url)('fhirclient')
const kept = new Map()
const storage = {
  get: async (key) => kept.get(key), set: async (key, value) => kept.set(key, value), unset: async (key) => kept.delete(key)
}
const request = { headers: { host: '127.0.0.1' }, url: '/', socket: {} }
// As an app does when its page is opened again.
const opened = () => smart(request, {}, storage).client({
  serverUrl: given.fhirBase, clientId: given.clientId, tokenUri: given.tokenUri, key: 'k', tokenResponse: { ...given.tokens },
  expiresAt: Math.floor(Date.now() / 1000) + given.tokens.expires_in
})
const attempt = (promise) => promise.then((got) => got.id ?? 'refreshed', (error) => ({ status: error.status, message: error.message }))

const first = await attempt(opened().patient.read())
await walk('http://pause.example/')
const paused = await attempt(opened().patient.read())
const refreshPaused = await attempt(opened().refresh())
await walk('http://resume.example/')
const resumed = await attempt(opened().patient.read())
const client = opened()
const refreshed = await attempt(client.refresh())
const afterRefresh = await attempt(client.patient.read())
tell({ first, paused, refreshPaused, resumed, refreshed, afterRefresh })
