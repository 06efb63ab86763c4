// Reads the metadata and asks the archive in every way js-waku's store offers.
//
// Arguments: contentTopics, two of one shard; middle, two numbers of messages of the first topic; absent, a topic
// nobody has used.

import { Protocols } from '@waku/sdk'

export default async function store(waku, { contentTopics, middle, absent }) {
  await waku.waitForPeers([Protocols.Store])
  const [peer] = await waku.getConnectedPeers()
  const { shardInfo } = await waku.libp2p.services.metadata.confirmOrAttemptHandshake(peer.id)

  const decoders = [...contentTopics, absent].map((contentTopic) => waku.createDecoder({ contentTopic }))
  const [first, second, nobodys] = decoders
  const pages = async (decoders, options) => {
    const seen = []
    for await (const page of waku.store.queryGenerator(decoders, options)) seen.push(await Promise.all(page))
    return seen
  }
  const shown = (pages) => pages.map((page) => page.map((message) => message.payload[0]))

  const forward = await pages([first], { paginationLimit: 7 })
  const messages = forward.flat()
  const [from, to] = middle.map((number) => messages[number])
  return {
    cluster: shardInfo.clusterId,
    shards: shardInfo.shards,
    hashes: messages.map((message) => message.hashStr),
    forward: shown(forward),
    backward: shown(await pages([first], { paginationLimit: 7, paginationForward: false })),
    wholePages: shown(await pages([first])),
    // Its bounds are floating point numbers of nanoseconds, so that a message at the very bound may be missed.
    byTime: shown(await pages([first], { timeStart: later(from, -1), timeEnd: later(to, 1) })),
    byHash: shown(await pages([first], { messageHashes: [from.hash, to.hash] })),
    afterCursor: shown(await pages([first], { paginationCursor: waku.store.createCursor(from) })),
    twoTopics: shown(await pages([first, second], { paginationLimit: 100 })),
    absent: shown(await pages([nobodys])),
  }
}

// A time so many ms after that of the message.
function later(message, ms) {
  return new Date(message.timestamp.getTime() + ms)
}
