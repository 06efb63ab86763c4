//! A read circuit as ark's generator wants to be told of it.

use ark_relations::r1cs::{
    ConstraintMatrices, ConstraintSynthesizer, ConstraintSystemRef, LinearCombination, SynthesisError,
    Variable,
};
use weir_circuits::{
    Fr, R1cs,
    r1cs::{Combination, Constraint},
};

pub(crate) struct Synthesis<'a>(pub(crate) &'a R1cs);

impl Synthesis<'_> {
    /// The left and right factors. The products' matrix is empty, as in the published keys: no prover
    /// needs it.
    pub(crate) fn matrices(&self) -> ConstraintMatrices<Fr> {
        let circuit = self.0;
        let [a_num_non_zero, b_num_non_zero, _] = circuit.shape().non_zeros;
        let rows = |side: fn(&Constraint) -> &Combination| {
            let in_arks_order =
                |row: &Combination| row.iter().map(|&(wire, coefficient)| (coefficient, wire)).collect();
            circuit.constraints.iter().map(|constraint| in_arks_order(side(constraint))).collect()
        };
        let public = circuit.shape().public;
        ConstraintMatrices {
            num_instance_variables: public + 1,
            // One too many: so it stands in the published keys, whose converter subtracts the public
            // wires but not the constant one. Nothing reads it.
            num_witness_variables: circuit.wires - public,
            num_constraints: circuit.constraints.len(),
            a_num_non_zero,
            b_num_non_zero,
            c_num_non_zero: 0,
            a: rows(|constraint| &constraint.a),
            b: rows(|constraint| &constraint.b),
            c: Vec::new(),
        }
    }

    /// Circom's wire as ark's variable: ark counts public and private ones apart.
    fn variable(&self, wire: usize) -> Variable {
        match wire.checked_sub(self.0.shape().public + 1) {
            None => Variable::Instance(wire),
            Some(private) => Variable::Witness(private),
        }
    }

    fn combination(&self, terms: &Combination) -> LinearCombination<Fr> {
        LinearCombination(
            terms.iter().map(|&(wire, coefficient)| (coefficient, self.variable(wire))).collect(),
        )
    }
}

impl ConstraintSynthesizer<Fr> for Synthesis<'_> {
    fn generate_constraints(self, system: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        // Nobody asks for values in a set-up. The constant wire is ark's first instance variable.
        let no_value = || Err(SynthesisError::AssignmentMissing);
        let public = self.0.shape().public;
        for _ in 0..public {
            system.new_input_variable(no_value)?;
        }
        for _ in public + 1..self.0.wires {
            system.new_witness_variable(no_value)?;
        }
        for constraint in &self.0.constraints {
            system.enforce_constraint(
                self.combination(&constraint.a),
                self.combination(&constraint.b),
                self.combination(&constraint.c),
            )?;
        }
        Ok(())
    }
}
