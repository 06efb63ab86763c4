//! The `.arkzkey` file: a proving key and its constraints as ark 0.5 writes them, uncompressed.
//!
//! ```text
//! proving key      verifying key, β·G1, δ·G1, queries a, b in G1, b in G2, h, l
//! 6 × u64          instance variables, witness variables, constraints, terms in a, in b, in c
//! a, b, c          rows: u64 count, then for each term coefficient (32 B) and wire (u64)
//! ```
//!
//! All numbers are little-endian and each list is preceded by its length as u64. ark-serialize writes
//! structures without anything between their fields, so writing the parts in order is the format.

use ark_bn254::Bn254;
use ark_groth16::ProvingKey;
use ark_relations::r1cs::ConstraintMatrices;
use ark_serialize::CanonicalSerialize;
use weir_circuits::Fr;

pub(crate) fn write(proving_key: &ProvingKey<Bn254>, matrices: &ConstraintMatrices<Fr>) -> Vec<u8> {
    let mut bytes = Vec::new();
    append(proving_key, &mut bytes);
    for count in [
        matrices.num_instance_variables,
        matrices.num_witness_variables,
        matrices.num_constraints,
        matrices.a_num_non_zero,
        matrices.b_num_non_zero,
        matrices.c_num_non_zero,
    ] {
        append(&count, &mut bytes);
    }
    for matrix in [&matrices.a, &matrices.b, &matrices.c] {
        append(matrix, &mut bytes);
    }
    bytes
}

fn append(part: &impl CanonicalSerialize, bytes: &mut Vec<u8>) {
    part.serialize_uncompressed(bytes).expect("writing to memory does not fail");
}
