// A js-libp2p peer that says it is a member, whose key it has not: it shows the member's public key
// in the handshake and signs with its own. Arguments: multiaddress to dial, the member's peer ID.
// Prints one line of JSON.

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const [address, member, ...protocols] = process.argv.slice(2)
const own = await generateKeyPair('Ed25519')
const privateKey = Object.create(own, { publicKey: { value: peerIdFromString(member).publicKey } })
const learned = { claimed: null, connected: false, error: null, protocols: {} }

const impostor = await createLibp2p({
  privateKey,
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify({ runOnConnectionOpen: false }), ping: ping() },
})
learned.claimed = impostor.peerId.toString()
try {
  const connection = await impostor.dial(multiaddr(address), { signal: AbortSignal.timeout(10_000) })
  learned.connected = true
  for (const protocol of protocols) {
    try {
      await connection.newStream(protocol, { signal: AbortSignal.timeout(5_000) })
      learned.protocols[protocol] = 'spoken'
    } catch (error) {
      learned.protocols[protocol] = `refused: ${error.name}`
    }
  }
} catch (error) {
  learned.error = error.name
}
console.log(JSON.stringify(learned))
await impostor.stop()
process.exit(0)
