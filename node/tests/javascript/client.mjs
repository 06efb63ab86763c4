// A js-libp2p client as browsers run it: WebSocket, Noise and mplex only, as js-waku sets it up.
//
//   node client.mjs <multiaddr>
//
// Connects, identifies, pings, leaves the connection alone for longer than js-libp2p's monitor waits, reads the
// metadata, and prints what it saw as one JSON object.

import { noise } from '@chainsafe/libp2p-noise'
import { identify } from '@libp2p/identify'
import { mplex } from '@libp2p/mplex'
import { ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const METADATA = '/vac/waku/metadata/1.0.0'
const PINGS = 20
// Its mplex ends a connection with more than 5 frames a second for streams that it has closed already, and the
// end of a ping that has been answered is one.
const PING_EVERY_MS = 250
// js-libp2p's monitor pings every 10 s and ends a connection that does not answer within 5 s.
const QUIET_MS = 12_000

const client = await createLibp2p({
  transports: [webSockets()],
  connectionEncrypters: [noise()],
  streamMuxers: [mplex()],
  // A client has no addresses of its own.
  addresses: { listen: [] },
  // Once, when it is asked for.
  services: { identify: identify({ runOnConnectionOpen: false }), ping: ping() },
})

// A node sends away whom it cannot ask for the cluster. js-waku says no shards either, and says it before it is asked.
const OWN_METADATA = Uint8Array.of(2, 0x08, 66)
await client.handle(METADATA, ({ stream }) => stream.sink([OWN_METADATA]))

const address = multiaddr(process.argv[2])
const connection = await client.dial(address)
const told = await client.services.identify.identify(connection)

let slowest = 0
for (let i = 0; i < PINGS; i++) {
  slowest = Math.max(slowest, await client.services.ping.ping(address))
  await pause(PING_EVERY_MS)
}

await pause(QUIET_MS)

console.log(JSON.stringify({
  muxer: connection.multiplexer,
  encryption: connection.encryption,
  agent: told.agentVersion,
  protocols: told.protocols,
  addresses: told.listenAddrs.map(String),
  slowestPingMs: slowest,
  openAfterQuiet: connection.status === 'open',
  metadata: await metadata(),
}))
await client.stop()

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

// Asks as js-waku does, and reads to the end of the stream: a node that does not close its side is
// waited for for ever.
async function metadata() {
  const stream = await connection.newStream(METADATA)
  await stream.sink([OWN_METADATA])
  const answer = []
  for await (const chunk of stream.source) answer.push(...chunk.subarray())
  return answer
}
