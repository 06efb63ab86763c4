// Takes part in gossipsub both ways, and reads back from the archive what it has encrypted.
//
// Arguments: contentTopic; pubsubTopic, its shard's; expected, how many messages will come from others.

import { ecies, generatePrivateKey, generateSymmetricKey, getPublicKey, symmetric } from '@waku/message-encryption'
import { wakuGossipSub, wakuRelay } from '@waku/relay'
import { Protocols } from '@waku/sdk'

// The tag for peers of the mesh is from an older libp2p, whose peer store it takes everything else for.
export const libp2p = { services: { pubsub: wakuGossipSub({ tagMeshPeers: false }) } }

export default async function relay(waku, { contentTopic, pubsubTopic, expected }) {
  const relay = wakuRelay([pubsubTopic])(waku.libp2p)
  const encoder = waku.createEncoder({ contentTopic })
  const { routingInfo } = encoder
  const received = []
  await new Promise((resolve) => {
    relay.subscribeWithUnsubscribe(waku.createDecoder({ contentTopic }), (message) => {
      received.push(message.payload[0])
      if (received.length === expected) resolve()
    })
  })

  const privateKey = generatePrivateKey()
  const symKey = generateSymmetricKey()
  await relay.send(encoder, { payload: Uint8Array.of(100) })
  await relay.send(
    ecies.createEncoder({ contentTopic, routingInfo, publicKey: getPublicKey(privateKey) }),
    { payload: Uint8Array.of(101) },
  )
  await relay.send(symmetric.createEncoder({ contentTopic, routingInfo, symKey }), { payload: Uint8Array.of(102) })

  await waku.waitForPeers([Protocols.Store])
  return {
    received,
    decrypted: [
      await stored(ecies.createDecoder(contentTopic, routingInfo, privateKey)),
      await stored(symmetric.createDecoder(contentTopic, routingInfo, symKey)),
    ],
  }

  // What this decoder can read of the archive; the archive gets it a moment after everybody else.
  async function stored(decoder) {
    for (;;) {
      const readable = []
      await waku.store.queryWithOrderedCallback([decoder], (message) => {
        readable.push(message.payload[0])
      })
      if (readable.length > 0) return readable
    }
  }
}
