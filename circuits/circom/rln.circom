// RLN-v2: a member of a group has sent one message of those its limit allows in an epoch.
//
// This is the relation that `check` in circuits/src/relation.rs states in plain Rust, in our own words,
// and it compiles to the very constraints of the key that nwaku and The Waku Network use: the same
// matrices, row for row (circuits/tests/matrices.rs). The inputs have circom-rln's names, so that
// programs which compute witnesses by name go on working.
//
// Circom numbers wires by the order of declaration, and components by the order of their names.
// Hence the names here are in the alphabetical order of the published key: branch, commitmentHash,
// leafHash, lineHash, nullifierHash, range.

pragma circom 2.1.0;

include "circomlib/circuits/poseidon.circom";
include "membership.circom";
include "range.circom";

template Rln(DEPTH, LIMIT_BITS) {
    // Private: who, how much, which message, and where in the tree.
    signal input identitySecret;
    signal input userMessageLimit;
    signal input messageId;
    signal input pathElements[DEPTH];
    signal input identityPathIndex[DEPTH];

    // Public: the hash of the signal, and epoch and application.
    signal input x;
    signal input externalNullifier;

    signal output y;
    signal output root;
    signal output nullifier;

    // The leaf binds the limit to the identity.
    component commitmentHash = Poseidon(1);
    commitmentHash.inputs[0] <== identitySecret;
    signal commitment <== commitmentHash.out;
    component leafHash = Poseidon(2);
    leafHash.inputs[0] <== commitment;
    leafHash.inputs[1] <== userMessageLimit;
    signal leaf <== leafHash.out;

    component branch = MerkleBranch(DEPTH);
    branch.leaf <== leaf;
    branch.siblings <== pathElements;
    branch.isRight <== identityPathIndex;
    root <== branch.root;

    component range = WithinLimit(LIMIT_BITS);
    range.messageId <== messageId;
    range.limit <== userMessageLimit;

    // One line for each member, epoch and message id. One point of it says nothing about the secret,
    // which is its height at zero; two points give it away.
    component lineHash = Poseidon(3);
    lineHash.inputs <== [identitySecret, externalNullifier, messageId];
    signal slope <== lineHash.out;
    y <== identitySecret + slope * x;

    // Tells that a line is used twice, without telling whose it is.
    component nullifierHash = Poseidon(1);
    nullifierHash.inputs[0] <== slope;
    nullifier <== nullifierHash.out;
}
