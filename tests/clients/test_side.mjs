// What every client of this folder has in common: it is told who it is, and has its addresses walked by the test's visitor.
import { createInterface } from 'node:readline'

export const given = JSON.parse(process.argv[2])
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

// Where a person's browser ends that opens this address.
export async function walk(address) {
  console.log(address)
  return new URL((await lines.next()).value)
}

// What the client got, at the end.
export function tell(got) {
  console.log(JSON.stringify(got))
  process.exit()
}

// The private key of private_key_jwt.
export async function signingKey() {
  const kind = { name: 'ECDSA', namedCurve: 'P-384' }
  return { key: await crypto.subtle.importKey('jwk', given.key, kind, false, ['sign']), kid: given.key.kid }
}
