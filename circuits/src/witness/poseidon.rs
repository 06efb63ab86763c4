//! Poseidon as the circuit computes it, keeping every intermediate value that is a wire.
//!
//! A round is: add constants, raise to the fifth power, multiply by the MDS matrix. Written so, a
//! partial round (which raises the first lane only) costs as many products as a full one. The circuit
//! uses the equivalent form of the Poseidon paper, appendix B: what a matrix does to the lanes that
//! are not raised is moved in front of the S-box and melts into the matrix before it, and so are the
//! constants of those lanes. What is left of a partial round is one constant and a *sparse* matrix
//!
//! ```text
//!         ┌ c  r r r ┐      the first lane becomes c·x₀ + r·x
//!         │ k  1     │      each other lane gains k·x₀
//!         │ k    1   │
//!         └ k      1 ┘
//! ```
//!
//! This is not the form in which `hash` computes: that one goes further and gives the lanes other
//! values on the way, and here the values are what counts.
//!
//! Circom's optimiser (`--O2`) then removes the signals that are sums of others. What stays of an
//! instance are, in this order, the groups of [`Columns`].

use std::array;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use zeroize::Zeroize;

use super::matrix::{self, Matrix};
use crate::hash::Parameters;

/// Full rounds, half of them in front of the partial rounds and half behind.
const FULL_ROUNDS: usize = 8;
const HALF: usize = FULL_ROUNDS / 2;

/// Partial rounds of the widths 2, 3 and 4.
const PARTIAL_ROUNDS: [usize; 3] = [56, 57, 56];

/// Partial rounds of an instance with `width` lanes (2 to 4).
pub(super) const fn partial_rounds(width: usize) -> usize {
    PARTIAL_ROUNDS[width - 2]
}

/// Wires of an instance with `width` lanes (2 to 4), its inputs and its output not among them.
pub(super) const fn wire_count(width: usize) -> usize {
    let partial = partial_rounds(width);
    let mixed = (FULL_ROUNDS - 1) * width - 1;
    let powers_of_full = 2 * (FULL_ROUNDS * width - 1);
    mixed + (width - 1) + partial + powers_of_full + 2 * partial
}

/// Round constants and matrices of one width in the sparse form.
pub(super) struct Sparse<const T: usize> {
    /// Added to the inputs.
    first: [Fr; T],
    /// Added behind the S-boxes of the first half's full rounds, in front of the matrix.
    opening: [[Fr; T]; HALF],
    /// The matrix of all full rounds but the one below.
    mds: Matrix<T>,
    /// The matrix of the full round in front of the partial ones, which takes in what they shed.
    entry: Matrix<T>,
    partial: Vec<PartialRound<T>>,
    /// Added behind the S-boxes of the second half's full rounds but the last, which has none.
    closing: [[Fr; T]; HALF - 1],
}

struct PartialRound<const T: usize> {
    /// Added to the first lane behind its S-box.
    constant: Fr,
    /// First row of the sparse matrix.
    row: [Fr; T],
    /// First column of the sparse matrix; its first entry is that of `row` and is not looked at here.
    column: [Fr; T],
}

impl<const T: usize> Sparse<T> {
    /// Derives the form of circomlib's instance with `T` lanes.
    pub(super) fn circomlib() -> Self {
        let partial_rounds = partial_rounds(T);
        let published = Parameters::circomlib(T, partial_rounds);
        let mds: Matrix<T> = array::from_fn(|row| array::from_fn(|column| published.matrix[row][column]));
        let of_round = |round: usize| -> [Fr; T] { array::from_fn(|lane| published.constants[round][lane]) };
        let inverse = matrix::inverse(&mds);
        let before_matrix = |constants: &[Fr; T]| matrix::product(&inverse, constants);

        let mut partial = Vec::with_capacity(partial_rounds);
        // Going back from the last partial round: `pending` is added behind the round's matrix, `dense`
        // is that matrix with what later rounds have shed.
        let mut pending = of_round(HALF + partial_rounds);
        let mut dense = mds;
        for round in (0..partial_rounds).rev() {
            let shed = matrix::without_first_lane(&dense);
            let sparse = matrix::multiply(&dense, &matrix::inverse(&shed));
            dense = matrix::multiply(&shed, &mds);
            pending = before_matrix(&pending);
            partial.push(PartialRound {
                constant: pending[0],
                row: sparse[0],
                column: array::from_fn(|row| sparse[row][0]),
            });
            pending[0] = Fr::ZERO;
            add(&mut pending, &of_round(HALF + round));
        }
        partial.reverse();

        Self {
            first: of_round(0),
            opening: array::from_fn(|round| {
                before_matrix(&if round + 1 < HALF { of_round(round + 1) } else { pending })
            }),
            mds,
            entry: dense,
            partial,
            closing: array::from_fn(|round| before_matrix(&of_round(HALF + partial_rounds + 1 + round))),
        }
    }

    /// Hashes `state`, a zero and the `T - 1` inputs, and writes the instance's wires to `wires`,
    /// which has room for [`wire_count`] of them.
    pub(super) fn trace(&self, mut state: [Fr; T], wires: &mut [Fr]) -> Fr {
        let mut columns = Columns::new(T, wires);
        add(&mut state, &self.first);
        for (round, constants) in self.opening.iter().enumerate() {
            for (lane, value) in state.iter_mut().enumerate() {
                let powers = Powers::of(*value);
                *value = powers.fifth + constants[lane];
                // The first lane starts as zero: until the first matrix its values are constants, and
                // the optimiser has put them into the equations.
                if round > 0 || lane > 0 {
                    columns.full_powers.push_both(&powers);
                    columns.mixed.push(*value);
                }
            }
            let matrix = if round + 1 < HALF { &self.mds } else { &self.entry };
            state = matrix::product(matrix, &state);
        }
        for round in &self.partial {
            let powers = Powers::of(state[0]);
            columns.partial_powers.push_both(&powers);
            state = round.mix(powers.fifth, &state);
            columns.first_lanes.push(state[0]);
        }
        for constants in &self.closing {
            for (lane, value) in state.iter_mut().enumerate() {
                let powers = Powers::of(*value);
                columns.full_powers.push_both(&powers);
                *value = powers.fifth + constants[lane];
                columns.mixed.push(*value);
            }
            state = matrix::product(&self.mds, &state);
        }
        for (lane, value) in state.iter_mut().enumerate() {
            let powers = Powers::of(*value);
            columns.full_powers.push_both(&powers);
            *value = powers.fifth;
            // The last lane is the output less the others.
            if lane + 1 < T {
                columns.last.push(*value);
            }
        }
        let output = matrix::dot(&self.mds[0], &state);
        state.zeroize();
        output
    }
}

impl<const T: usize> PartialRound<T> {
    fn mix(&self, raised: Fr, state: &[Fr; T]) -> [Fr; T] {
        let first = raised + self.constant;
        let mut mixed: [Fr; T] = array::from_fn(|lane| state[lane] + self.column[lane] * first);
        mixed[0] = self.row[0] * first + matrix::dot(&self.row[1..], &state[1..]);
        mixed
    }
}

/// An S-box's three products.
struct Powers {
    square: Fr,
    fourth: Fr,
    fifth: Fr,
}

impl Powers {
    fn of(value: Fr) -> Self {
        let square = value.square();
        let fourth = square.square();
        Self { square, fourth, fifth: fourth * value }
    }
}

/// The wires of an instance: five groups one behind the other, each in the order of evaluation.
///
/// Circom numbers the signals of a component by the name of its subcomponent, which is why a round's
/// wires are not together. The names in circomlib's `poseidon.circom` stand beside the fields.
struct Columns<'a> {
    /// `ark[1..=7].out`: all lanes in front of each full round's matrix but the last round's.
    mixed: Column<'a>,
    /// `mixLast.in`: the last S-boxes, without the last lane's.
    last: Column<'a>,
    /// `mixS.out[0]`: the first lane behind each partial round.
    first_lanes: Column<'a>,
    /// `sigmaF.in2` and `.in4`: square and fourth power in each S-box of the full rounds.
    full_powers: Column<'a>,
    /// `sigmaP.in2` and `.in4`: the same in the partial rounds.
    partial_powers: Column<'a>,
}

impl<'a> Columns<'a> {
    fn new(width: usize, wires: &'a mut [Fr]) -> Self {
        assert_eq!(wires.len(), wire_count(width), "an instance gets its wires, all of them and no others");
        let (mixed, rest) = wires.split_at_mut((FULL_ROUNDS - 1) * width - 1);
        let (last, rest) = rest.split_at_mut(width - 1);
        let (first_lanes, rest) = rest.split_at_mut(partial_rounds(width));
        let (full_powers, partial_powers) = rest.split_at_mut(2 * (FULL_ROUNDS * width - 1));
        Self {
            mixed: Column(mixed.iter_mut()),
            last: Column(last.iter_mut()),
            first_lanes: Column(first_lanes.iter_mut()),
            full_powers: Column(full_powers.iter_mut()),
            partial_powers: Column(partial_powers.iter_mut()),
        }
    }
}

struct Column<'a>(std::slice::IterMut<'a, Fr>);

impl Column<'_> {
    fn push(&mut self, value: Fr) {
        *self.0.next().expect("a group has as many wires as the rounds write") = value;
    }

    fn push_both(&mut self, powers: &Powers) {
        self.push(powers.square);
        self.push(powers.fourth);
    }
}

fn add<const T: usize>(state: &mut [Fr; T], constants: &[Fr; T]) {
    for (lane, constant) in state.iter_mut().zip(constants) {
        *lane += constant;
    }
}
