// Publishes by light push, version 3 and the legacy one.
//
// Arguments: contentTopic.

import { Protocols } from '@waku/sdk'

// Above what a network allows, below what js-waku itself refuses.
const TOO_LONG = 200 * 1024

export default async function lightpush(waku, { contentTopic }) {
  await waku.waitForPeers([Protocols.LightPush])
  const encoder = waku.createEncoder({ contentTopic })
  const push = async (payload, useLegacy) => {
    const { successes, failures } = await waku.lightPush.send(encoder, { payload }, { autoRetry: false, useLegacy })
    return { successes: successes.length, failures: failures.map(({ error }) => error) }
  }
  return {
    current: await push(Uint8Array.of(3), false),
    legacy: await push(Uint8Array.of(2), true),
    tooLong: await push(new Uint8Array(TOO_LONG), false),
    // The connection is as good as before.
    again: await push(Uint8Array.of(4), false),
  }
}
