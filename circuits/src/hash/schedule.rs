//! From Poseidon as it is published to the same function with fewer multiplications.
//!
//! A round is x → M·S(x + c), with S the S-box of a full or of a partial round. Three rewritings, none
//! of which changes what comes out:
//!
//! 1. *Constants.* In a partial round the tail only passes through M. So its constants may be added
//!    after the round, as M·(0, c_tail), together with the next round's: one constant is left.
//! 2. *Sparse matrices.* Let M = (m v; w M̂), with M̂ the tail's part. Then
//!
//!    ```text
//!    M = P·Q    P = (m  v·M̂⁻¹)    Q = (1  0)
//!                   (w    1  )        (0  M̂)
//!    ```
//!
//!    Q leaves the head alone, so it commutes with a partial round's S-box and constant, and may be done
//!    before the round: there it joins the matrix of the round before. From the last partial round
//!    backwards each round keeps a sparse P and hands Q on; the last full round before them, whose
//!    matrix is dense anyway, takes the rest.
//! 3. *Scaling.* S(a·x) = a⁵·S(x), so each element may be kept divided by a known number ("scale"), as
//!    long as constants and factors allow for it. Scales are chosen so that the head's factors become
//!    one, and in a partial round the tail's own factor stays one.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};

use super::{
    grain::{FULL_ROUNDS, Parameters},
    poseidon::{FullRound, Mix, PartialRound, Schedule, State},
};

type Matrix = Vec<Vec<Fr>>;

const HALF: usize = FULL_ROUNDS / 2;

impl Parameters {
    /// The schedule that computes what these parameters define. `N` is the width less one.
    pub(super) fn schedule<const N: usize>(self) -> Schedule<Fr, N> {
        assert_eq!(self.matrix.len(), N + 1, "one element for the head");
        let rounds = self.constants.len();
        let partial = HALF..rounds - HALF;
        let constants = fold_constants(self.constants, &self.matrix, partial.clone());
        let matrices = make_sparse(&self.matrix, rounds, partial.clone());

        let mut scales = Scales::UNSCALED;
        let first_mix = scales.full_mix(&matrices[0]);
        let (mut opening, mut sparse, mut closing) = (Vec::new(), Vec::new(), Vec::new());
        for round in 1..rounds - 1 {
            let scaled = scales.constants(&constants[round]);
            if partial.contains(&round) {
                sparse.push(scales.partial_round(scaled.head, &matrices[round]));
                continue;
            }
            let full = FullRound { constants: scaled, mix: scales.full_mix(&matrices[round]) };
            let half = if round < HALF { &mut opening } else { &mut closing };
            half.push(full);
        }
        Schedule {
            first_head: power(&constants[0][0]),
            first_constants: std::array::from_fn(|i| constants[0][i + 1]),
            first_mix,
            opening,
            partial: sparse,
            closing,
            last_constants: scales.constants(&constants[rounds - 1]),
            last_row: scales.unscaled_head_row(&matrices[rounds - 1]),
        }
    }
}

/// Moves the tail's constants out of the partial rounds.
fn fold_constants(
    mut constants: Vec<Vec<Fr>>,
    matrix: &Matrix,
    partial: std::ops::Range<usize>,
) -> Vec<Vec<Fr>> {
    for round in partial {
        let mut moved = std::mem::replace(&mut constants[round], vec![Fr::ZERO; matrix.len()]);
        constants[round][0] = std::mem::replace(&mut moved[0], Fr::ZERO);
        for (constant, row) in constants[round + 1].iter_mut().zip(matrix) {
            *constant += dot(row, &moved);
        }
    }
    constants
}

/// The matrix of each round: sparse in the partial rounds, with what was split off in the round before.
fn make_sparse(matrix: &Matrix, rounds: usize, partial: std::ops::Range<usize>) -> Vec<Matrix> {
    let mut matrices = vec![matrix.clone(); rounds];
    for round in partial.rev() {
        let dense = &matrices[round];
        let inverse = inverse_of_tail(dense);
        let width = matrix.len();
        let mut sparse = identity(width);
        for i in 0..width {
            sparse[i][0] = dense[i][0];
        }
        for j in 1..width {
            sparse[0][j] = (1..width).map(|k| dense[0][k] * inverse[k - 1][j - 1]).sum();
        }
        let mut split_off = dense.clone();
        split_off[0] = identity(width).swap_remove(0);
        split_off.iter_mut().skip(1).for_each(|row| row[0] = Fr::ZERO);
        matrices[round - 1] = product(&split_off, matrix);
        matrices[round] = sparse;
    }
    matrices
}

/// What the elements that enter a round have to be multiplied with to be Poseidon's own.
struct Scales<const N: usize> {
    head: Fr,
    tail: [Fr; N],
}

impl<const N: usize> Scales<N> {
    const UNSCALED: Self = Self { head: Fr::ONE, tail: [Fr::ONE; N] };

    /// The constants of a round for elements with these scales.
    fn constants(&self, constants: &[Fr]) -> State<Fr, N> {
        let tail = std::array::from_fn(|i| constants[i + 1] / self.tail[i]);
        State { head: constants[0] / self.head, tail }
    }

    /// A full round's matrix, leaving the scales of the elements that come out.
    fn full_mix(&mut self, matrix: &Matrix) -> Mix<Fr, N> {
        let entered = Self { head: power(&self.head), tail: self.tail.map(|scale| power(&scale)) };
        let rows: Vec<([Fr; N], Fr)> = matrix.iter().map(|row| entered.normalized_row(row)).collect();
        self.head = rows[0].1;
        self.tail = std::array::from_fn(|i| rows[i + 1].1);
        Mix { head: rows[0].0, tail: std::array::from_fn(|i| rows[i + 1].0) }
    }

    /// A partial round, leaving the scales of the elements that come out. The tail's do not change.
    fn partial_round(&mut self, constant: Fr, matrix: &Matrix) -> PartialRound<Fr, N> {
        let entered = Self { head: power(&self.head), tail: self.tail };
        let column = std::array::from_fn(|i| matrix[i + 1][0] * entered.head / self.tail[i]);
        let (row, scale) = entered.normalized_row(&matrix[0]);
        self.head = scale;
        PartialRound { constant, row, column }
    }

    /// The tail's factors of a row in which the head's is made one, and the scale this gives the sum.
    /// The scales are those after the S-box.
    fn normalized_row(&self, row: &[Fr]) -> ([Fr; N], Fr) {
        let scale = row[0] * self.head;
        (std::array::from_fn(|i| row[i + 1] * self.tail[i] / scale), scale)
    }

    /// The last round's factors, which give the head as it is.
    fn unscaled_head_row(&self, matrix: &Matrix) -> State<Fr, N> {
        let tail = std::array::from_fn(|i| matrix[0][i + 1] * power(&self.tail[i]));
        State { head: matrix[0][0] * power(&self.head), tail }
    }
}

fn power(value: &Fr) -> Fr {
    value.pow([5])
}

fn dot(a: &[Fr], b: &[Fr]) -> Fr {
    a.iter().zip(b).map(|(a, b)| *a * b).sum()
}

fn identity(width: usize) -> Matrix {
    (0..width).map(|i| (0..width).map(|j| Fr::from(i == j)).collect()).collect()
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let column = |j: usize| b.iter().map(|row| row[j]).collect::<Vec<_>>();
    a.iter().map(|row| (0..b.len()).map(|j| dot(row, &column(j))).collect()).collect()
}

/// The inverse of the matrix without its first row and column, by elimination (Gauss-Jordan).
fn inverse_of_tail(matrix: &Matrix) -> Matrix {
    let mut left: Matrix = matrix[1..].iter().map(|row| row[1..].to_vec()).collect();
    let width = left.len();
    let mut right = identity(width);
    for pivot in 0..width {
        let at = (pivot..width)
            .find(|&row| left[row][pivot] != Fr::ZERO)
            .expect("the matrices of Poseidon are MDS");
        left.swap(pivot, at);
        right.swap(pivot, at);
        let factor = left[pivot][pivot].inverse().expect("just found not to be zero");
        left[pivot].iter_mut().chain(&mut right[pivot]).for_each(|cell| *cell *= factor);
        let (left_pivot, right_pivot) = (left[pivot].clone(), right[pivot].clone());
        for row in (0..width).filter(|&row| row != pivot) {
            let factor = left[row][pivot];
            for j in 0..width {
                left[row][j] -= factor * left_pivot[j];
                right[row][j] -= factor * right_pivot[j];
            }
        }
    }
    right
}
