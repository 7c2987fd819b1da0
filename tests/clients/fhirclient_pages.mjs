// npm fhirclient, unmodified, with a token it was given: it pages through, searches and follows references.
import { createRequire } from 'node:module'
import { given, tell } from './test_side.mjs'

const smart = createRequire(import.meta.url)('fhirclient')
const kept = new Map()
const storage = {
  get: async (key) => kept.get(key), set: async (key, value) => kept.set(key, value), unset: async (key) => kept.delete(key)
}
const request = { headers: { host: '127.0.0.1' }, url: '/', socket: {} }
const client = smart(request, {}, storage).client({
  serverUrl: given.fhirBase,
  tokenResponse: { access_token: given.token, patient: given.patient }
})
const claims = `ExplanationOfBenefit?patient=${given.patient}`

const pages = await client.request(`${claims}&_count=10`, { pageLimit: 0 })
const all = await client.request(`${claims}&_count=10`, { pageLimit: 0, flat: true })
const some = await client.request(`${claims}&service-date=ge${given.since}`, { pageLimit: 0, flat: true })
const resolved = await client.request(`${claims}&_count=1`, { resolveReferences: ['provider'], flat: true })

tell({
  pages: pages.length,
  all: all.map((one) => one.id),
  some: some.map((one) => one.id),
  patient: (await client.patient.read()).id,
  provider: resolved[0].provider.id
})
