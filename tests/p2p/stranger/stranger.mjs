// A js-libp2p peer that nobody invited: it dials the multiaddress that is its first argument,
// tries to identify the other end and to open a stream of every protocol in the other arguments,
// and prints what it learned as one line of JSON.

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const [address, ...protocols] = process.argv.slice(2)
const patience = () => ({ signal: AbortSignal.timeout(10_000) })
const learned = { connected: false, error: null, identified: null, latencyMs: null, protocols: {} }

const stranger = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify({ runOnConnectionOpen: false }), ping: ping() },
})

async function attempt(action) {
  try {
    return await action()
  } catch (error) {
    return `refused: ${error.name}`
  }
}

try {
  const connection = await stranger.dial(multiaddr(address), patience())
  learned.connected = true
  learned.identified = await attempt(async () => {
    const { protocols, listenAddrs, agentVersion } = await stranger.services.identify.identify(
      connection,
      patience(),
    )
    return { protocols, agentVersion, listenAddrs: listenAddrs.map(String) }
  })
  learned.latencyMs = await attempt(() => stranger.services.ping.ping(connection.remotePeer, patience()))
  for (const protocol of protocols) {
    learned.protocols[protocol] = await attempt(async () => {
      const stream = await connection.newStream(protocol, patience())
      await stream.close(patience())
      return 'spoken'
    })
  }
} catch (error) {
  learned.error = error.name
}
console.log(JSON.stringify(learned))
await stranger.stop()
process.exit(0)
