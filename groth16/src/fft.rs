//! Moves polynomials from a domain to the coset on which circom takes the quotient.
//!
//! A polynomial is given by its values on the n-th roots of unity and wanted at the same roots times
//! g, a root of order 2n (circom's and snarkjs's coset). That is an inverse transform, a
//! multiplication of coefficient i by g^i (the twist), and a transform:
//!
//! ```text
//!  values ──► halving strides: n/2 … 1 ──► twist g^i / n ──► doubling strides: 1 … n/2 ──► values
//!  in order        (inverse)           in bit-reversed order         (forward)            in order
//! ```
//!
//! Decimation in frequency takes values in order and leaves coefficients in bit-reversed order,
//! decimation in time takes them in that order: nothing is ever permuted, and the twist's table is
//! bit-reversed instead.
//!
//! With L lanes, vector j holds the elements jL to jL + L - 1, so that strides of L and more pair whole
//! vectors. For the strides below L, each block of L vectors is [transposed](transpose), which makes
//! element i of each vector's lanes into lane i of the block's vectors: strides pair whole vectors
//! again. The twist takes place in that form, then the blocks are transposed back.

#[cfg(test)]
mod tests;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, FftField, Field};

use crate::lanes::{Backend, Lanes, MAX_LANES, Row};

/// The tables of one domain for one backend.
pub(crate) struct CosetTransform<B: Backend> {
    /// Powers of the inverse root for strides of L and more: the ones of stride hL at `h..2 * h`.
    inverse_twiddles: Vec<B::Fr>,
    /// The same for the root itself.
    twiddles: Vec<B::Fr>,
    /// Powers of the inverse root for strides h below L, at `h..2 * h`, each in all lanes.
    inverse_block_twiddles: Vec<B::Fr>,
    block_twiddles: Vec<B::Fr>,
    /// g^i / n where coefficient i is after the inverse transform, blocks transposed.
    twist: Vec<B::Fr>,
}

impl<B: Backend> CosetTransform<B> {
    /// The smallest domain: one block.
    pub(crate) const SMALLEST: usize = B::Fr::LANES * B::Fr::LANES;

    /// Prepares for `size` elements, a power of two from [`Self::SMALLEST`] to 2^27.
    pub(crate) fn new(size: usize) -> Self {
        assert!(size.is_power_of_two() && size >= Self::SMALLEST, "a domain of {size} elements");
        let shift = root_of_unity(2 * size as u64);
        let root = shift.square();
        let inverse_root = root.inverse().expect("roots of unity are not zero");
        let vectors = size / B::Fr::LANES;
        Self {
            inverse_twiddles: twiddles::<B>(inverse_root, vectors, B::Fr::LANES),
            twiddles: twiddles::<B>(root, vectors, B::Fr::LANES),
            inverse_block_twiddles: block_twiddles::<B>(inverse_root, size),
            block_twiddles: block_twiddles::<B>(root, size),
            twist: twist::<B>(shift, size),
        }
    }

    /// How many vectors hold the elements of the domain.
    pub(crate) fn vectors(&self) -> usize {
        self.twist.len()
    }

    /// Values on the domain to values on the coset, in place.
    #[inline(always)]
    pub(crate) fn to_coset(&self, values: &mut [B::Fr]) {
        assert_eq!(values.len(), self.vectors(), "all vectors of the domain");
        let lanes = B::Fr::LANES;
        let mut stride = values.len() / 2;
        while stride >= 1 {
            narrow::<B>(values, stride, &self.inverse_twiddles[stride..2 * stride], lanes == 1);
            stride /= 2;
        }
        for (block, twist) in values.chunks_exact_mut(lanes).zip(self.twist.chunks_exact(lanes)) {
            self.within_block(block, twist);
        }
        let mut stride = 1;
        while stride < values.len() {
            widen::<B>(values, stride, &self.twiddles[stride..2 * stride], lanes == 1);
            stride *= 2;
        }
    }

    /// The strides below L, with the twist between them.
    #[inline(always)]
    fn within_block(&self, block: &mut [B::Fr], twist: &[B::Fr]) {
        let lanes = B::Fr::LANES;
        transpose::<B>(block);
        let mut stride = lanes / 2;
        while stride >= 1 {
            narrow::<B>(block, stride, &self.inverse_block_twiddles[stride..2 * stride], true);
            stride /= 2;
        }
        for (value, twist) in block.iter_mut().zip(twist) {
            *value = value.mul(twist);
        }
        let mut stride = 1;
        while stride < lanes {
            widen::<B>(block, stride, &self.block_twiddles[stride..2 * stride], true);
            stride *= 2;
        }
        transpose::<B>(block);
    }
}

/// One stage of decimation in frequency: (u, v) becomes (u + v, (u - v) w).
///
/// `first_is_one` says that the first twiddle is one in all lanes, so for one lane and within blocks. Half
/// of all products with one are in the stage of stride 1, which has no others.
#[inline(always)]
fn narrow<B: Backend>(values: &mut [B::Fr], stride: usize, twiddles: &[B::Fr], first_is_one: bool) {
    let skip = usize::from(first_is_one);
    for pair in values.chunks_exact_mut(2 * stride) {
        let (low, high) = pair.split_at_mut(stride);
        if first_is_one {
            (low[0], high[0]) = (low[0].add(&high[0]), low[0].sub(&high[0]));
        }
        for ((low, high), twiddle) in low.iter_mut().zip(high).zip(twiddles).skip(skip) {
            let difference = low.sub(high);
            *low = low.add(high);
            *high = difference.mul(twiddle);
        }
    }
}

/// One stage of decimation in time: (u, v) becomes (u + v w, u - v w). `first_is_one` is as in [`narrow`].
#[inline(always)]
fn widen<B: Backend>(values: &mut [B::Fr], stride: usize, twiddles: &[B::Fr], first_is_one: bool) {
    let skip = usize::from(first_is_one);
    for pair in values.chunks_exact_mut(2 * stride) {
        let (low, high) = pair.split_at_mut(stride);
        if first_is_one {
            (low[0], high[0]) = (low[0].add(&high[0]), low[0].sub(&high[0]));
        }
        for ((low, high), twiddle) in low.iter_mut().zip(high).zip(twiddles).skip(skip) {
            let turned = high.mul(twiddle);
            *high = low.sub(&turned);
            *low = low.add(&turned);
        }
    }
}

/// Exchanges vectors and lanes of a block of L vectors.
///
/// Rows hold two vectors' elements of one lane; the two a lane shall have next to each other are
/// brought there in memory.
#[inline(always)]
fn transpose<B: Backend>(block: &mut [B::Fr]) {
    if B::Fr::LANES == 1 {
        return;
    }
    // Row [pair][lane] of `before` holds vectors 2 * pair and 2 * pair + 1 at that lane.
    let mut before = [[Row::default(); MAX_LANES]; MAX_LANES / 2];
    for (rows, pair) in before.iter_mut().zip(block.chunks_exact(2)) {
        B::Fr::store(&pair[0], &pair[1], rows);
    }
    let mut after = [[Row::default(); MAX_LANES]; MAX_LANES / 2];
    for (pair, rows) in after.iter_mut().enumerate() {
        for (lane, row) in rows.iter_mut().enumerate() {
            let half = 4 * (lane % 2);
            row.0[..4].copy_from_slice(&before[lane / 2][2 * pair].0[half..half + 4]);
            row.0[4..].copy_from_slice(&before[lane / 2][2 * pair + 1].0[half..half + 4]);
        }
    }
    for (rows, pair) in after.iter().zip(block.chunks_exact_mut(2)) {
        (pair[0], pair[1]) = B::Fr::load(std::array::from_fn(|lane| &rows[lane]));
    }
}

/// A primitive root of unity of order `order`, a power of two up to 2^28: the one that ark and circom
/// take.
pub(crate) fn root_of_unity(order: u64) -> Fr {
    Fr::get_root_of_unity(order).expect("an order up to 2^28, as keys are checked to have")
}

/// Powers of `root`, which is of order `2 * count * lanes / 2`: for every power of two h below `count`,
/// at h..2h, the first h * `lanes` powers of the root of order 2 * h * `lanes`.
fn twiddles<B: Backend>(root: Fr, count: usize, lanes: usize) -> Vec<B::Fr> {
    let mut table = vec![B::Fr::one(); count];
    let mut stride_root = root;
    let mut stride = count / 2;
    while stride >= 1 {
        let mut power = Fr::ONE;
        for vector in &mut table[stride..2 * stride] {
            let mut elements = [Fr::ZERO; MAX_LANES];
            for element in &mut elements[..lanes] {
                *element = power;
                power *= stride_root;
            }
            *vector = B::Fr::from_lanes(&elements[..lanes]);
        }
        stride_root.square_in_place();
        stride /= 2;
    }
    table
}

/// The same for strides below L in a block, with one power in all lanes.
fn block_twiddles<B: Backend>(root: Fr, size: usize) -> Vec<B::Fr> {
    let lanes = B::Fr::LANES;
    let mut table = vec![B::Fr::one(); lanes];
    let mut stride = lanes / 2;
    while stride >= 1 {
        let stride_root = root.pow([(size / (2 * stride)) as u64]);
        let mut power = Fr::ONE;
        for vector in &mut table[stride..2 * stride] {
            *vector = B::Fr::splat(power);
            power *= stride_root;
        }
        stride /= 2;
    }
    table
}

/// `shift`^i / `size` in bit-reversed order, blocks transposed.
fn twist<B: Backend>(shift: Fr, size: usize) -> Vec<B::Fr> {
    let mut powers = vec![Fr::from(size as u64).inverse().expect("a power of two is not zero"); size];
    for index in 1..size {
        powers[index] = powers[index - 1] * shift;
    }
    let lanes = B::Fr::LANES;
    let bits = size.trailing_zeros();
    let reversed = |position: usize| position.reverse_bits().checked_shr(usize::BITS - bits).unwrap_or(0);
    let vector = |index: usize| {
        let (block, offset) = (index / lanes * lanes, index % lanes);
        let mut elements = [Fr::ZERO; MAX_LANES];
        for (lane, element) in elements[..lanes].iter_mut().enumerate() {
            *element = powers[reversed((block + lane) * lanes + offset)];
        }
        B::Fr::from_lanes(&elements[..lanes])
    };
    (0..size / lanes).map(vector).collect()
}
