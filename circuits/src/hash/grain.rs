//! Poseidon's published parameters, from the generator that the paper defines.
//!
//! Nobody chose the constants: a linear feedback shift register, started with the numbers that
//! describe the instance, gives their bits. Generating them (a few milliseconds) is shorter to read
//! and to check than a table of thousands of digits.
//!
//! Spec: Poseidon paper (eprint 2019/458), appendix E for the register and section 2.3 for the
//! matrix; circomlib takes the first matrix for the widths used here.

use ark_bn254::Fr;
use ark_ff::{BigInt, Field, PrimeField};

/// Rounds in which every element passes the S-box: half of them before the partial rounds, half after.
pub(super) const FULL_ROUNDS: usize = 8;

/// Bits of a field element as it is drawn.
const ELEMENT_BITS: u32 = Fr::MODULUS_BIT_SIZE;

/// Poseidon as it is published: each round adds its constants, applies x^5 to all elements (in the
/// partial rounds to the first one) and multiplies by the matrix.
#[derive(Debug)]
pub(crate) struct Parameters {
    /// One row a round, one constant an element.
    pub(crate) constants: Vec<Vec<Fr>>,
    /// Rows of the matrix.
    pub(crate) matrix: Vec<Vec<Fr>>,
}

impl Parameters {
    /// The instance of circomlib with a state of `width` elements.
    pub(crate) fn circomlib(width: usize, partial_rounds: usize) -> Self {
        let mut grain = Grain::new(width, partial_rounds);
        let rounds = FULL_ROUNDS + partial_rounds;
        let constants = (0..rounds).map(|_| (0..width).map(|_| grain.element_below_order()).collect());
        let constants = constants.collect();
        let columns: Vec<Vec<Fr>> =
            (0..2).map(|_| (0..width).map(|_| grain.reduced_element()).collect()).collect();
        let cell = |x: &Fr, y: &Fr| (*x + y).inverse().expect("no sum is zero for these widths");
        let matrix = columns[0].iter().map(|x| columns[1].iter().map(|y| cell(x, y)).collect()).collect();
        Self { constants, matrix }
    }
}

/// The shift register of 80 bits, the oldest in the lowest place.
struct Grain(u128);

impl Grain {
    fn new(width: usize, partial_rounds: usize) -> Self {
        // Each number with its most significant bit first: a prime field, the S-box x^5, ...
        let numbers = [
            (1, 2),
            (0, 4),
            (ELEMENT_BITS as usize, 12),
            (width, 12),
            (FULL_ROUNDS, 10),
            (partial_rounds, 10),
            ((1 << 30) - 1, 30),
        ];
        let mut state = 0;
        let mut filled = 0;
        for (number, bits) in numbers {
            for bit in (0..bits).rev() {
                state |= ((number >> bit & 1) as u128) << filled;
                filled += 1;
            }
        }
        let mut grain = Self(state);
        for _ in 0..160 {
            grain.shift();
        }
        grain
    }

    /// Moves on by one bit and gives the new one.
    fn shift(&mut self) -> bool {
        let parity = [62, 51, 38, 23, 13, 0].iter().fold(0, |parity, tap| parity ^ (self.0 >> tap & 1));
        self.0 = self.0 >> 1 | parity << 79;
        parity == 1
    }

    /// Of each two bits the second one counts, if the first is set.
    fn bit(&mut self) -> bool {
        while !self.shift() {
            self.shift();
        }
        self.shift()
    }

    fn number(&mut self) -> BigInt<4> {
        let mut words = [0; 4];
        for place in (0..ELEMENT_BITS).rev() {
            words[place as usize / 64] |= u64::from(self.bit()) << (place % 64);
        }
        BigInt(words)
    }

    /// Draws until a number is below the order.
    fn element_below_order(&mut self) -> Fr {
        loop {
            if let Some(element) = Fr::from_bigint(self.number()) {
                return element;
            }
        }
    }

    fn reduced_element(&mut self) -> Fr {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.number().0) {
            *chunk = word.to_le_bytes();
        }
        Fr::from_le_bytes_mod_order(&bytes)
    }
}
