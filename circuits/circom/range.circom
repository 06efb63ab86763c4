// Numbers of few bits, and which of two is the smaller.

pragma circom 2.1.0;

// Says that `in` is below 2^COUNT, by giving its bits, lowest first.
template Bits(COUNT) {
    // Above that two patterns of bits could stand for one field element.
    assert(COUNT < 254);
    signal input in;
    signal output out[COUNT];

    var sum = 0;
    for (var i = 0; i < COUNT; i++) {
        out[i] <-- (in >> i) & 1;
        out[i] * (out[i] - 1) === 0;
        sum += out[i] * 2 ** i;
    }
    sum === in;
}

// One when `left` is below `right`, else zero. Both must be below 2^COUNT, or `right` at most 2^COUNT
// above `left`, which the caller says.
//
// The sum below has bit COUNT set exactly when `left` is not below `right`.
template IsBelow(COUNT) {
    signal input left;
    signal input right;
    signal output out;

    component distance = Bits(COUNT + 1);
    distance.in <== left + 2 ** COUNT - right;
    out <== 1 - distance.out[COUNT];
}

// Says that `messageId` has at most COUNT bits and is below `limit`.
template WithinLimit(COUNT) {
    signal input messageId;
    signal input limit;

    component below = IsBelow(COUNT);
    below.left <== messageId;
    below.right <== limit;
    below.out === 1;

    component digits = Bits(COUNT);
    digits.in <== messageId;
    signal bits[COUNT] <== digits.out;
}

// Says the same of `messageId` when `condition` is one, and that `condition` is zero or one. When it is
// zero, zero is checked in place of the message id, and not against the limit.
template WithinLimitIf(COUNT) {
    signal input messageId;
    signal input limit;
    signal input condition;

    condition * (condition - 1) === 0;
    signal activeId <== messageId * condition;

    component digits = Bits(COUNT);
    digits.in <== activeId;
    signal bits[COUNT] <== digits.out;

    component below = IsBelow(COUNT);
    below.left <== activeId;
    below.right <== limit;
    signal isBelow <== below.out;
    signal isBelowAndActive <== isBelow * condition;
    isBelowAndActive === condition;
}
