//! Running Poseidon by a schedule.
//!
//! The state has one element that carries no input, here its *head*, and one for each input, its
//! *tail*. Only the head passes the S-box in a partial round, so everything about the two differs.
//!
//! Multiplications for two inputs, S-box and mixing: first round 6 + 6, six full rounds 9 + 6 each,
//! 57 partial rounds 3 + 4 each, last round 9 + 3. That is 513, where the published form takes 828.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use zeroize::Zeroize;

/// What Poseidon calculates with: a field element, or several that are hashed in step.
pub trait HashElement: Copy {
    /// The sum.
    fn add(&self, other: &Self) -> Self;

    /// The product.
    fn mul(&self, other: &Self) -> Self;

    /// The square.
    fn square(&self) -> Self;

    /// `a * b + c * d`, for arithmetic that can reduce both products at once.
    #[inline(always)]
    fn sum_of_products(a: &Self, b: &Self, c: &Self, d: &Self) -> Self {
        a.mul(b).add(&c.mul(d))
    }
}

/// Poseidon over `N` inputs, prepared: the function of circomlib, with its rounds rewritten so that
/// they multiply less. `schedule.rs` derives it and says why it is the same function.
#[derive(Debug, Clone)]
pub struct Schedule<E, const N: usize> {
    /// What the head has become when the first round mixes, as it starts from zero.
    pub(super) first_head: E,
    /// Added to the inputs in the first round.
    pub(super) first_constants: [E; N],
    pub(super) first_mix: Mix<E, N>,
    /// The full rounds after the first one.
    pub(super) opening: Vec<FullRound<E, N>>,
    pub(super) partial: Vec<PartialRound<E, N>>,
    /// The full rounds before the last one.
    pub(super) closing: Vec<FullRound<E, N>>,
    /// Added in the last round.
    pub(super) last_constants: State<E, N>,
    /// The row of the last matrix that gives the head, which is the hash.
    pub(super) last_row: State<E, N>,
}

/// Head and tail of the state, or a factor or constant for each.
#[derive(Debug, Clone, Copy)]
pub(super) struct State<E, const N: usize> {
    pub(super) head: E,
    pub(super) tail: [E; N],
}

/// All constants are added, all elements pass the S-box, all are mixed.
#[derive(Debug, Clone)]
pub(super) struct FullRound<E, const N: usize> {
    pub(super) constants: State<E, N>,
    pub(super) mix: Mix<E, N>,
}

/// A matrix in which the head's factors are one: the head is added to each row as it is.
#[derive(Debug, Clone)]
pub(super) struct Mix<E, const N: usize> {
    /// The tail's factors in the new head.
    pub(super) head: [E; N],
    /// The tail's factors in each new element of the tail.
    pub(super) tail: [[E; N]; N],
}

/// Only the head gets a constant and passes the S-box; the tail takes a multiple of it.
#[derive(Debug, Clone)]
pub(super) struct PartialRound<E, const N: usize> {
    pub(super) constant: E,
    /// The tail's factors in the new head.
    pub(super) row: [E; N],
    /// The head's factors in the new tail.
    pub(super) column: [E; N],
}

impl<E: HashElement, const N: usize> Schedule<E, N> {
    /// The hash of `inputs`.
    #[inline(always)]
    pub fn hash(&self, inputs: &[E; N]) -> E {
        let mut state = State { head: self.first_head, tail: *inputs };
        self.run(&mut state)
    }

    /// The same schedule for another kind of element.
    pub fn map<T: Copy>(&self, convert: impl Fn(&E) -> T) -> Schedule<T, N> {
        let array = |values: &[E; N]| values.each_ref().map(&convert);
        let state = |values: &State<E, N>| State { head: convert(&values.head), tail: array(&values.tail) };
        let mix = |mix: &Mix<E, N>| Mix { head: array(&mix.head), tail: mix.tail.each_ref().map(array) };
        let full =
            |round: &FullRound<E, N>| FullRound { constants: state(&round.constants), mix: mix(&round.mix) };
        let partial = |round: &PartialRound<E, N>| PartialRound {
            constant: convert(&round.constant),
            row: array(&round.row),
            column: array(&round.column),
        };
        Schedule {
            first_head: convert(&self.first_head),
            first_constants: array(&self.first_constants),
            first_mix: mix(&self.first_mix),
            opening: self.opening.iter().map(full).collect(),
            partial: self.partial.iter().map(partial).collect(),
            closing: self.closing.iter().map(full).collect(),
            last_constants: state(&self.last_constants),
            last_row: state(&self.last_row),
        }
    }

    /// Hashes what stands in the tail.
    #[inline(always)]
    fn run(&self, state: &mut State<E, N>) -> E {
        state.head = self.first_head;
        for (element, constant) in state.tail.iter_mut().zip(&self.first_constants) {
            *element = fifth_power(&element.add(constant));
        }
        state.mix(&self.first_mix);
        for round in &self.opening {
            state.full_round(round);
        }
        for round in &self.partial {
            state.partial_round(round);
        }
        for round in &self.closing {
            state.full_round(round);
        }
        state.substitute(&self.last_constants);
        plus_products(&state.head.mul(&self.last_row.head), &self.last_row.tail, &state.tail)
    }
}

impl<const N: usize> Schedule<Fr, N> {
    /// The hash of `inputs`, leaving nothing of them behind in the state.
    pub(super) fn hash_erasing(&self, inputs: &[Fr; N]) -> Fr {
        let mut state = State { head: Fr::ZERO, tail: *inputs };
        let hash = self.run(&mut state);
        state.head.zeroize();
        state.tail.zeroize();
        hash
    }
}

impl<E: HashElement, const N: usize> State<E, N> {
    #[inline(always)]
    fn full_round(&mut self, round: &FullRound<E, N>) {
        self.substitute(&round.constants);
        self.mix(&round.mix);
    }

    #[inline(always)]
    fn partial_round(&mut self, round: &PartialRound<E, N>) {
        let head = fifth_power(&self.head.add(&round.constant));
        // The longest chain is the S-box; these products do not wait for it.
        self.head = plus_products(&head, &round.row, &self.tail);
        for (element, factor) in self.tail.iter_mut().zip(&round.column) {
            *element = element.add(&head.mul(factor));
        }
    }

    /// Adds the constants and applies the S-box to every element.
    #[inline(always)]
    fn substitute(&mut self, constants: &Self) {
        self.head = fifth_power(&self.head.add(&constants.head));
        for (element, constant) in self.tail.iter_mut().zip(&constants.tail) {
            *element = fifth_power(&element.add(constant));
        }
    }

    #[inline(always)]
    fn mix(&mut self, mix: &Mix<E, N>) {
        let Self { head, tail } = *self;
        self.head = plus_products(&head, &mix.head, &tail);
        for (element, row) in self.tail.iter_mut().zip(&mix.tail) {
            *element = plus_products(&head, row, &tail);
        }
    }
}

/// `start` and the sum of the products.
#[inline(always)]
fn plus_products<E: HashElement, const N: usize>(start: &E, factors: &[E; N], elements: &[E; N]) -> E {
    let (factors, last_factor) = factors.as_chunks::<2>();
    let (elements, last_element) = elements.as_chunks::<2>();
    let mut sum = *start;
    for ([a, c], [b, d]) in factors.iter().zip(elements) {
        sum = sum.add(&E::sum_of_products(a, b, c, d));
    }
    for (factor, element) in last_factor.iter().zip(last_element) {
        sum = sum.add(&factor.mul(element));
    }
    sum
}

/// The S-box.
#[inline(always)]
fn fifth_power<E: HashElement>(value: &E) -> E {
    value.square().square().mul(value)
}

impl HashElement for Fr {
    #[inline(always)]
    fn add(&self, other: &Self) -> Self {
        *self + other
    }

    #[inline(always)]
    fn mul(&self, other: &Self) -> Self {
        *self * other
    }

    #[inline(always)]
    fn square(&self) -> Self {
        Field::square(self)
    }
}
