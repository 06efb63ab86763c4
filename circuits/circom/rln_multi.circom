// RLN-v2 with several message ids in one proof: a member has sent up to MAX_OUT messages at once.
//
// Each slot is a message id and a flag that says whether it is in use. A slot in use obeys what
// rln.circom says of its one message id, and no two slots in use have the same one. The outputs of the
// others are zero. Plain-Rust twin: circuits/src/multi.rs.
//
// The order of declarations and of the components' names is that of the published key (see
// rln.circom): activeLimit, anyActive, apart, branch, commitmentHash, leafHash, lineHash, nullifierHash.

pragma circom 2.1.0;

include "circomlib/circuits/poseidon.circom";
include "membership.circom";
include "range.circom";

// One when `in` is zero, else zero.
template EqualsZero() {
    signal input in;
    signal output out;

    // Any value satisfies the equations when `in` is zero; otherwise it can only be the inverse.
    signal inverse <-- in != 0 ? 1 / in : 0;
    out <== 1 - in * inverse;
    in * out === 0;
}

template RlnMulti(DEPTH, LIMIT_BITS, MAX_OUT) {
    signal input identitySecret;
    signal input userMessageLimit;
    signal input messageId[MAX_OUT];
    signal input pathElements[DEPTH];
    signal input identityPathIndex[DEPTH];

    signal input x;
    signal input externalNullifier;
    signal input selectorUsed[MAX_OUT];

    signal output y[MAX_OUT];
    signal output root;
    signal output nullifier[MAX_OUT];

    component commitmentHash = Poseidon(1);
    commitmentHash.inputs[0] <== identitySecret;
    signal commitment <== commitmentHash.out;
    component leafHash = Poseidon(2);
    leafHash.inputs <== [commitment, userMessageLimit];
    signal leaf <== leafHash.out;

    component branch = MerkleBranch(DEPTH);
    branch.leaf <== leaf;
    branch.siblings <== pathElements;
    branch.isRight <== identityPathIndex;
    root <== branch.root;

    // A proof of no message would be free.
    var used = 0;
    for (var slot = 0; slot < MAX_OUT; slot++) {
        used += selectorUsed[slot];
    }
    component anyActive = EqualsZero();
    anyActive.in <== used;
    anyActive.out === 0;

    component activeLimit[MAX_OUT];
    component apart[MAX_OUT][MAX_OUT];
    signal bothActive[MAX_OUT][MAX_OUT];
    signal sameId[MAX_OUT][MAX_OUT];
    for (var i = 0; i < MAX_OUT; i++) {
        activeLimit[i] = WithinLimitIf(LIMIT_BITS);
        activeLimit[i].messageId <== messageId[i];
        activeLimit[i].limit <== userMessageLimit;
        activeLimit[i].condition <== selectorUsed[i];
        for (var j = i + 1; j < MAX_OUT; j++) {
            bothActive[i][j] <== selectorUsed[i] * selectorUsed[j];
            apart[i][j] = EqualsZero();
            apart[i][j].in <== messageId[i] - messageId[j];
            sameId[i][j] <== apart[i][j].out;
            bothActive[i][j] * sameId[i][j] === 0;
        }
    }

    component lineHash[MAX_OUT];
    component nullifierHash[MAX_OUT];
    signal slope[MAX_OUT];
    signal share[MAX_OUT];
    signal slotNullifier[MAX_OUT];
    for (var i = 0; i < MAX_OUT; i++) {
        lineHash[i] = Poseidon(3);
        lineHash[i].inputs <== [identitySecret, externalNullifier, messageId[i]];
        slope[i] <== lineHash[i].out;
        share[i] <== identitySecret + slope[i] * x;

        nullifierHash[i] = Poseidon(1);
        nullifierHash[i].inputs[0] <== slope[i];
        slotNullifier[i] <== nullifierHash[i].out;

        y[i] <== selectorUsed[i] * share[i];
        nullifier[i] <== selectorUsed[i] * slotNullifier[i];
    }
}
