// The circuit of RLN_V2_DEPTH_20_MULTI_4: 2^20 members, limits of 16 bits, up to four messages a proof.

pragma circom 2.1.0;

include "rln_multi.circom";

component main { public [x, externalNullifier, selectorUsed] } = RlnMulti(20, 16, 4);
