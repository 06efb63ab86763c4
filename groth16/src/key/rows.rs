//! One side of all constraints: a sparse matrix of rows by wires.

use std::collections::HashMap;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};

/// Rows one after another. Few coefficients are different from each other (of circom's, most are 1,
/// -1 or a constant of a hash), so that a term names its coefficient by a number: eight bytes a term
/// instead of forty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SparseRows {
    /// Where each row ends in `terms`; it begins where the one before ends.
    ends: Vec<u32>,
    terms: Vec<Term>,
    /// [`ONE`] and [`MINUS_ONE`] first, which cost no multiplication.
    coefficients: Vec<Fr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Term {
    wire: u32,
    coefficient: u32,
}

const ONE: u32 = 0;
const MINUS_ONE: u32 = 1;

impl SparseRows {
    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn largest_wire(&self) -> Option<u32> {
        self.terms.iter().map(|term| term.wire).max()
    }

    /// The terms of a row, which must be one of [`Self::len`]: wire and coefficient.
    pub(crate) fn terms(&self, row: usize) -> impl Iterator<Item = (usize, Fr)> {
        let begin = row.checked_sub(1).map_or(0, |before| self.ends[before]) as usize;
        let terms = &self.terms[begin..self.ends[row] as usize];
        terms.iter().map(|term| (term.wire as usize, self.coefficients[term.coefficient as usize]))
    }

    /// Writes the value of each row to the front of `out`.
    ///
    /// Every wire that a row names must be in `wires`, and `out` as long as there are rows.
    pub(crate) fn evaluate(&self, wires: &[Fr], out: &mut [Fr]) {
        let mut begin = 0;
        for (end, out) in self.ends.iter().zip(out) {
            let end = *end as usize;
            *out = self.sum(&self.terms[begin..end], wires);
            begin = end;
        }
    }

    fn sum(&self, terms: &[Term], wires: &[Fr]) -> Fr {
        let mut sum = Fr::ZERO;
        for term in terms {
            let wire = wires[term.wire as usize];
            match term.coefficient {
                ONE => sum += wire,
                MINUS_ONE => sum -= wire,
                other => sum += self.coefficients[other as usize] * wire,
            }
        }
        sum
    }
}

/// Collects rows in order.
pub(super) struct RowsBuilder {
    rows: SparseRows,
    numbers: HashMap<Fr, u32>,
}

impl RowsBuilder {
    pub(super) fn new() -> Self {
        let coefficients = vec![Fr::ONE, -Fr::ONE];
        let numbers = HashMap::from([(Fr::ONE, ONE), (-Fr::ONE, MINUS_ONE)]);
        Self { rows: SparseRows { ends: Vec::new(), terms: Vec::new(), coefficients }, numbers }
    }

    /// Adds a term to the row that is being collected.
    ///
    /// Terms and coefficients are numbered in 32 bits: a key file is shorter than 4 GiB and each of its
    /// terms takes more than one byte.
    pub(super) fn term(&mut self, wire: u32, coefficient: Fr) {
        let known = &mut self.rows.coefficients;
        let number = *self.numbers.entry(coefficient).or_insert_with(|| {
            known.push(coefficient);
            (known.len() - 1) as u32
        });
        self.rows.terms.push(Term { wire, coefficient: number });
    }

    /// Ends a row, perhaps an empty one.
    pub(super) fn end_row(&mut self) {
        self.rows.ends.push(self.rows.terms.len() as u32);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn finish(mut self) -> SparseRows {
        self.rows.terms.shrink_to_fit();
        self.rows
    }
}
