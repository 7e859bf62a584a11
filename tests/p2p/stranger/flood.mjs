// A stranger that wears a node out, until its standard input ends: 500 half-open connections at a
// time, slow bytes, garbage after each stage of the handshake, words without end, dials without end,
// and, where it is let in as a guest, 10,000 streams. Argument: the multiaddress.
// Prints "flooding" when all of it is under way, "worn" when it has opened 5,000 connections or tried
// 10,000 streams, and one line of JSON in the end.

import net from 'node:net'
import crypto from 'node:crypto'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const HALF_OPEN = 500
const STREAMS = 10_000
const OPENED = 5_000
const address = process.argv[2]
const [, , host, , port] = address.split('/')
const counts = {
  opened: 0, cut: 0, garbage: 0, slow: 0, endless: 0, dials: 0, connected: 0, streams: 0, spoken: 0,
  heard: 0, words: new Set(),
}
let isOver = false
process.stdin.on('end', () => { isOver = true })
process.stdin.resume()

const said = (...words) =>
  Buffer.concat(words.map((word) => Buffer.concat([Buffer.from([word.length + 1]), Buffer.from(`${word}\n`)])))
const HELLO = said('/multistream/1.0.0')
const NOISE = Buffer.concat([HELLO, said('/noise')])
const framed = (size) => {
  const head = Buffer.alloc(2)
  head.writeUInt16BE(size)
  return Buffer.concat([head, crypto.randomBytes(size)])
}
const STAGES = [
  () => crypto.randomBytes(4_096),
  () => Buffer.concat([HELLO, crypto.randomBytes(1_024)]),
  () => Buffer.concat([HELLO, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])]),
  () => Buffer.concat([NOISE, framed(32)]),
  () => Buffer.concat([NOISE, framed(65_535)]),
  () => Buffer.concat([NOISE, framed(32), framed(4_000)]),
  () => Buffer.concat([NOISE, Buffer.from([0, 0, 0, 0, 0, 0])]),
]
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// Open a connection and do something with it until it is cut.
function attempt(act, from) {
  return new Promise((resolve) => {
    // From addresses of their own, as strangers on a network have them: each wears out its own share.
    const socket = net.connect({ port: Number(port), host, localAddress: from })
    let timer
    socket.on('connect', () => { counts.opened += 1; timer = act(socket) })
    socket.on('data', (data) => {
      counts.heard += data.length
      for (const word of data.toString('latin1').match(/\/[a-z0-9./-]{3,}/g) ?? []) counts.words.add(word)
    })
    socket.on('error', () => {})
    socket.on('close', () => { counts.cut += 1; clearInterval(timer); resolve() })
  })
}

async function again(act, from) {
  while (!isOver) {
    await attempt(act, from)
    await pause(5)
  }
}

const halfOpen = (socket) => setInterval(() => isOver && socket.destroy(), 200)
const slow = (socket) => {
  let at = 0
  return setInterval(() => {
    counts.slow += 1
    socket.write(NOISE.subarray(at, at + 1))
    at = (at + 1) % NOISE.length
    if (isOver) socket.destroy()
  }, 1_000)
}
const garbage = (socket) => {
  socket.write(STAGES[counts.garbage++ % STAGES.length]())
  return setInterval(() => isOver && socket.destroy(), 200)
}
const endless = (socket) => {
  socket.write(HELLO)
  return setInterval(() => {
    counts.endless += 1
    socket.write(said('ls', '/ipfs/id/1.0.0', '/photonic/catalog/1'))
    if (isOver) socket.destroy()
  }, 20)
}

async function dials() {
  while (!isOver) {
    const stranger = await createLibp2p({
      transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()],
    })
    try {
      counts.dials += 1
      const connection = await stranger.dial(multiaddr(address), { signal: AbortSignal.timeout(10_000) })
      counts.connected += 1
      await streams(connection)
    } catch {
      // refused
    }
    await stranger.stop()
    await pause(20)
  }
}

async function streams(connection) {
  const open = async () => {
    counts.streams += 1
    try {
      await connection.newStream('/photonic/enrol/1', { signal: AbortSignal.timeout(10_000), maxOutboundStreams: STREAMS })
      counts.spoken += 1
    } catch {
      // refused, or cut; and then the loop ends
      await pause(1)
    }
  }
  while (!isOver && connection.status === 'open') {
    await Promise.all(Array.from({ length: 200 }, open))
  }
}

const under = [dials(), dials()]
for (let n = 0; n < HALF_OPEN; n += 1) under.push(again(halfOpen, '127.0.0.2'))
for (let n = 0; n < 20; n += 1) {
  under.push(again(slow, '127.0.0.3'), again(garbage, '127.0.0.4'), again(endless, '127.0.0.5'))
}
await pause(1_000)
console.log('flooding')
while (!isOver && (counts.connected ? counts.streams < STREAMS : counts.opened < OPENED)) await pause(100)
console.log('worn')
await Promise.race([Promise.all(under), pause(600_000)])
console.log(JSON.stringify({ ...counts, words: [...counts.words] }))
process.exit(0)
