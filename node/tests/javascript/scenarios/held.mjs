// Asks the archive at once, after a minute in which nothing was asked, and after the node was started anew.
//
// Arguments: contentTopic; restart, a file that is made when the node may go.

import { writeFile } from 'node:fs/promises'

import { Protocols } from '@waku/sdk'

const QUIET_MS = 60_000

export default async function held(waku, { contentTopic, restart }) {
  await waku.waitForPeers([Protocols.Store])
  const decoder = waku.createDecoder({ contentTopic })
  const ask = async () => {
    const payloads = []
    await waku.store.queryWithOrderedCallback([decoder], (message) => {
      payloads.push(message.payload[0])
    })
    return payloads
  }

  const first = await ask()
  const [connection] = waku.libp2p.getConnections()
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
  const quiet = await ask()
  const kept = waku.libp2p.getConnections().some(({ id }) => id === connection.id)

  const gone = new Promise((resolve) => waku.libp2p.addEventListener('peer:disconnect', resolve, { once: true }))
  await writeFile(restart, '')
  await gone
  // js-waku dials again by itself.
  await waku.waitForPeers([Protocols.Store])
  return { first, quiet, kept, again: await ask() }
}
