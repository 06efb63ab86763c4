// The membership part of the relation: a leaf stands in the tree with this root.
//
// Plain-Rust twin: `MerkleBranch::root_of` in circuits/src/relation.rs.

pragma circom 2.1.0;

include "circomlib/circuits/poseidon.circom";

// A node and its sibling as left and right child: exchanged when the node is the right one.
template Children() {
    signal input node;
    signal input sibling;
    signal input isRight;
    signal output left;
    signal output right;

    left <== (sibling - node) * isRight + node;
    right <== (node - sibling) * isRight + sibling;
}

// Climbs from a leaf to the root of a binary tree whose nodes are Poseidon hashes of their children.
template MerkleBranch(DEPTH) {
    signal input leaf;
    signal input siblings[DEPTH];
    // One where the node on the way is the right child of its parent: the leaf's index, lowest bit first.
    signal input isRight[DEPTH];
    signal output root;

    signal children[DEPTH][2];
    signal nodes[DEPTH + 1];
    component exchanges[DEPTH];
    component hashes[DEPTH];

    nodes[0] <== leaf;
    for (var level = 0; level < DEPTH; level++) {
        isRight[level] * (isRight[level] - 1) === 0;

        exchanges[level] = Children();
        exchanges[level].node <== nodes[level];
        exchanges[level].sibling <== siblings[level];
        exchanges[level].isRight <== isRight[level];
        children[level] <== [exchanges[level].left, exchanges[level].right];

        hashes[level] = Poseidon(2);
        hashes[level].inputs <== children[level];
        nodes[level + 1] <== hashes[level].out;
    }
    root <== nodes[DEPTH];
}
