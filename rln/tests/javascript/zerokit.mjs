// The JavaScript build of zerokit as a child process: a request as JSON on stdin, the answer on stdout.
//
// Bytes are hex. `verify` is a list of { proof, root }, where the proof is the 128 bytes of Groth16, the five
// public values (root, external nullifier, x, y, nullifier), the signal's length as u64 little-endian and
// the signal. `prove` is { wires, witness }: the value of each wire as a decimal, and zerokit's own form of
// the private inputs, from which it computes the public values a second time.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { webcrypto } from "node:crypto";

// Node 18 keeps it to itself.
globalThis.crypto ??= webcrypto;

const rln = await import("@waku/zerokit-rln-wasm");
const wasm = createRequire(import.meta.url).resolve("@waku/zerokit-rln-wasm/rln_wasm_bg.wasm");
rln.initSync({ module: readFileSync(wasm) });

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const { key, verify, prove } = JSON.parse(readFileSync(0, "utf8"));
const context = rln.newRLN(Uint8Array.from(readFileSync(key)));

const verdicts = verify.map(({ proof, root }) => rln.verifyWithRoots(context, bytes(proof), bytes(root)));
const proven = rln.generateRLNProofWithWitness(context, prove.wires.map(BigInt), bytes(prove.witness));
console.log(JSON.stringify({ verdicts, proven: Buffer.from(proven).toString("hex") }));
