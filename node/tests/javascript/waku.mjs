// A browser's js-waku, run by Node.
//
//   node waku.mjs <scenario> <multiaddr> <arguments as JSON>
//
// Connects a light node to the address, runs scenarios/<scenario>.mjs with it, and prints what that saw as one JSON
// object. What it should have seen is for the caller to say (node/tests/e2e/js_waku.rs).

import { createLightNode } from '@waku/sdk'

const [scenario, address, argumentsText] = process.argv.slice(2)
const { default: run, discovery, libp2p } = await import(`./scenarios/${scenario}.mjs`)

const waku = await createLightNode({
  defaultBootstrap: false,
  // None but the one that is dialled, unless the scenario says so.
  discovery: { dns: false, peerExchange: false, peerCache: false, ...discovery },
  networkConfig: { clusterId: 66, numShardsInCluster: 8 },
  // The default leaves out everything but wss to names.
  libp2p: { filterMultiaddrs: false, hideWebSocketInfo: true, ...libp2p },
})
await waku.dial(address)
console.log(JSON.stringify(await run(waku, JSON.parse(argumentsText))))
await waku.stop()
// Timers of js-waku outlive its stop.
process.exit(0)
