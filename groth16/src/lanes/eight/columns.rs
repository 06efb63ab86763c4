//! Products of ten columns and their reduction to five limbs.

use ark_ff::MontConfig;

use super::constants::{Constants, LIMB_MASK};
use super::{Limbs, Words, splat};

/// Eight numbers as sums of columns: column i counts 2^(52 i) and may hold more than 52 bits.
///
/// The product of two limbs enters as halves below 2^52, the low one in column i + j and the high one
/// in the next. At most two products of numbers are added, and the reduction adds a third: a column gets
/// at most five low and five high halves of each, and a carry below 2^7 from the column before it. So
/// columns stay below 30 * 2^52 + 2^7 < 2^57.
#[derive(Clone, Copy)]
pub(super) struct Columns<W>([W; 10]);

impl<W: Words> Columns<W> {
    #[inline(always)]
    pub(super) fn zero() -> Self {
        Self([W::splat(0); 10])
    }

    /// Adds `a * b`, of normalised limbs.
    #[inline(always)]
    pub(super) fn add_product(&mut self, a: &Limbs<W>, b: &Limbs<W>) {
        let columns = &mut self.0;
        for i in 0..5 {
            for j in 0..5 {
                columns[i + j] = columns[i + j].add_low(a[i], b[j]);
                columns[i + j + 1] = columns[i + j + 1].add_high(a[i], b[j]);
            }
        }
    }

    /// `a * a`, of normalised limbs: products of different limbs once and doubled, then the squares. That
    /// is the sum which [`Self::add_product`] gives, in another order.
    #[inline(always)]
    pub(super) fn square(a: &Limbs<W>) -> Self {
        let mut columns = [W::splat(0); 10];
        for i in 0..5 {
            for j in i + 1..5 {
                columns[i + j] = columns[i + j].add_low(a[i], a[j]);
                columns[i + j + 1] = columns[i + j + 1].add_high(a[i], a[j]);
            }
        }
        for column in &mut columns[1..9] {
            *column = column.add(*column);
        }
        for i in 0..5 {
            columns[2 * i] = columns[2 * i].add_low(a[i], a[i]);
            columns[2 * i + 1] = columns[2 * i + 1].add_high(a[i], a[i]);
        }
        Self(columns)
    }

    /// Montgomery's method: the value divided by 2^260 modulo p, in limbs below 2^57.
    ///
    /// From the lowest column on, the multiple m of p is added that makes the column zero modulo 2^52; the
    /// column's carry goes to the next. It is the column divided by 2^52 and rounded up, because the addend
    /// completes the lower bits to 2^52 unless they are zero, so it need not wait for m.
    ///
    /// The value T of the columns comes out below T / 2^260 + p. The multiplier's callers give T up to
    /// (B + 3p) * 2B < 21 p^2 or B * B + B * 3p, and 2^260 > 84 p, so that is below 1.25 p < B.
    #[inline(always)]
    pub(super) fn reduced<C: MontConfig<4>>(self) -> Limbs<W> {
        let p = splat::<W>(C::MODULUS_LIMBS);
        let inverse = W::splat(C::INVERSE_52);
        let mut columns = self.0;
        for i in 0..5 {
            // The factors of add_low and add_high are cut to 52 bits by the processor.
            let m = W::splat(0).add_low(columns[i], inverse);
            let carry = columns[i].add(W::splat(LIMB_MASK)).shift_right::<52>();
            columns[i + 1] = columns[i + 1].add(carry).add_high(m, p[0]);
            for j in 1..5 {
                columns[i + j] = columns[i + j].add_low(m, p[j]);
                columns[i + j + 1] = columns[i + j + 1].add_high(m, p[j]);
            }
        }
        let [_, _, _, _, _, l0, l1, l2, l3, l4] = columns;
        [l0, l1, l2, l3, l4]
    }
}
