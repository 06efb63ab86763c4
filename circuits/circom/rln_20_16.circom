// The circuit of RLN_V2_DEPTH_20: 2^20 members, limits of 16 bits.

pragma circom 2.1.0;

include "rln.circom";

component main { public [x, externalNullifier] } = Rln(20, 16);
