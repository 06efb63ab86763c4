// A chat between browser tabs through the node that serves this page: js-waku over WebSocket.
//
// Parameters of the page's address: room, name, and transport (ws or wss; as the page itself by default).
// What was said before is fetched from the node's store, if it has one; messages come by filter and go by light push.

import { createLightNode, Protocols } from "@waku/sdk";

const HISTORY_MS = 60 * 60 * 1000;

const parameters = new URLSearchParams(location.search);
const room = parameters.get("room") || "lobby";
const name = parameters.get("name") || `guest-${Math.random().toString(36).slice(2, 6)}`;
const transport = parameters.get("transport") || (location.protocol === "https:" ? "wss" : "ws");
const contentTopic = `/weir-chat/1/${encodeURIComponent(room)}/json`;

const state = document.getElementById("state");
const list = document.getElementById("messages");
const text = document.getElementById("text");
const send = document.getElementById("send");
document.getElementById("room").textContent = `in ${room} as ${name}`;

const items = new Map();

function show(said, kind) {
  const key = `${said.name} ${said.at} ${said.number}`;
  let item = items.get(key);
  if (item === undefined) {
    item = document.createElement("li");
    item.dataset.at = said.at;
    const head = document.createElement("small");
    head.textContent = `${said.name}, ${new Date(said.at).toLocaleTimeString()}`;
    const body = document.createElement("span");
    body.textContent = said.text;
    item.append(head, body);
    items.set(key, item);
    const later = [...list.children].find((other) => Number(other.dataset.at) > said.at);
    list.insertBefore(item, later ?? null);
    item.scrollIntoView({ block: "nearest" });
  }
  item.className = said.name === name ? "own" : "";
  item.dataset.kind = kind;
  item.classList.toggle("failed", kind === "failed");
}

function heard(message, kind) {
  try {
    const said = JSON.parse(new TextDecoder().decode(message.payload));
    if (typeof said.text === "string" && typeof said.name === "string" && Number.isFinite(said.at)) {
      show(said, kind);
    }
  } catch {
    // Anybody may write to a topic; what is not of this chat is not shown.
  }
}

function tell(words, ready) {
  state.textContent = words;
  state.dataset.ready = ready;
}

// The address of the node for this transport, with the host under which the page was found.
function address(info) {
  const suffix = transport === "wss" ? /\/(wss|tls\/ws)\/p2p\// : /\/tcp\/\d+\/ws\/p2p\//;
  const found = info.listenAddresses.find((candidate) => suffix.test(candidate));
  if (found === undefined) {
    throw new Error(`the node has no ${transport} address: start it with --websocket-support`);
  }
  const host = location.hostname;
  const protocol = /^[\d.]+$/.test(host) ? "ip4" : "dns4";
  return found.replace(/^\/(ip4|ip6|dns4|dns6)\/[^/]+/, `/${protocol}/${host}`);
}

async function start() {
  tell("Looking for the node", "no");
  const info = await (await fetch("/debug/v1/info")).json();
  const network = await (await fetch("/weir/v1/network")).json();
  const node = await createLightNode({
    defaultBootstrap: false,
    bootstrapPeers: [address(info)],
    networkConfig: { clusterId: network.cluster, numShardsInCluster: network.shards },
    // The node is on this machine or of this site, and ws to it is what the page was asked for.
    libp2p: { filterMultiaddrs: false, connectionGater: { denyDialMultiaddr: () => false } },
  });
  await node.start();
  tell("Connecting", "no");
  await node.waitForPeers([Protocols.LightPush, Protocols.Filter], 20_000);

  const decoder = node.createDecoder({ contentTopic });
  const encoder = node.createEncoder({ contentTopic });
  if (!(await node.filter.subscribe(decoder, (message) => heard(message, "pushed")))) {
    throw new Error("the node does not take the subscription");
  }
  await node.store
    .queryWithOrderedCallback([decoder], (message) => heard(message, "stored"), {
      timeStart: new Date(Date.now() - HISTORY_MS),
      timeEnd: new Date(),
    })
    .catch(() => tell("Connected; this node keeps no history", "yes"));

  let number = 0;
  document.getElementById("write").addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = { name, text: text.value.trim(), at: Date.now(), number: number++ };
    if (said.text === "") return;
    text.value = "";
    show(said, "sending");
    const payload = new TextEncoder().encode(JSON.stringify(said));
    const { successes } = await node.lightPush.send(encoder, { payload });
    const shown = items.get(`${said.name} ${said.at} ${said.number}`);
    if (successes.length === 0) show(said, "failed");
    else if (shown.dataset.kind === "sending") show(said, "sent");
  });
  if (state.dataset.ready !== "yes") tell(`Connected over ${transport}`, "yes");
  text.disabled = send.disabled = false;
  text.focus();
}

start().catch((error) => tell(error.message, "failed"));
