// Subscribes to many content topics, takes a message of each, pings, unsubscribes.
//
// Arguments: contentTopics, of one shard; ready, a file that is made when messages may come.

import { writeFile } from 'node:fs/promises'

import { Protocols } from '@waku/sdk'

export default async function filter(waku, { contentTopics, ready }) {
  await waku.waitForPeers([Protocols.Filter])
  const [peer] = await waku.getConnectedPeers()
  const decoders = contentTopics.map((contentTopic) => waku.createDecoder({ contentTopic }))
  // The one part of js-waku that tells of a ping; its own are a minute apart.
  const { protocol } = waku.filter
  const pinged = async () => (await protocol.ping(peer.id)).success !== null

  const received = []
  let enough
  const all = new Promise((resolve) => { enough = resolve })
  const subscribed = await waku.filter.subscribe(decoders, (message) => {
    received.push(message.contentTopic)
    if (received.length === contentTopics.length) enough()
  })
  while (!await pinged()) { /* it subscribes in its own time */ }
  await writeFile(ready, '')
  await all

  const unsubscribed = await waku.filter.unsubscribe(decoders)
  // js-waku does not read the answer to that.
  while (await pinged()) { /* until it is unknown */ }
  return { subscribed, received, unsubscribed }
}
