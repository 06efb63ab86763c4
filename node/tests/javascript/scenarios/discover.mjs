// Learns of a second node from the first by peer exchange, and connects to it.
//
// No arguments.

export const discovery = { peerExchange: true }

export default async function discover(waku) {
  while (waku.libp2p.getConnections().length < 2) await new Promise((resolve) => setTimeout(resolve, 100))
  return waku.libp2p.getConnections().map(({ remoteAddr }) => remoteAddr.toString())
}
