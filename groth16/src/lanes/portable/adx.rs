//! Multiplication with MULX, ADCX and ADOX: products that leave the flags alone, and two chains of
//! carries at once, one through each of two flags. Compilers do not make use of the second chain.

use std::arch::asm;

use ark_ff::MontConfig;

use super::{Multiplier, Words};

/// The portable backend on a processor that has the instructions of the ADX and BMI2 sets.
///
/// Like the eight-lane backend it is not exported: a value of it exists only inside a kernel that
/// `dispatch` started after finding the instructions, and only kernels name its elements.
#[derive(Clone, Copy, Debug)]
pub(in crate::lanes) struct PortableAdx {
    /// Made by [`Self::detect`] alone.
    _proof: (),
}

impl PortableAdx {
    /// The backend, if this processor has its instructions.
    pub(in crate::lanes) fn detect() -> Option<Self> {
        let supported = is_x86_feature_detected!("adx") && is_x86_feature_detected!("bmi2");
        supported.then_some(Self { _proof: () })
    }
}

/// What the instructions take from memory: one base register for seven constants.
#[repr(C)]
struct Constants {
    modulus: Words,
    /// -1 / p modulo 2^64.
    inverse: u64,
    all_ones: u64,
    zero: u64,
}

const fn constants<C: MontConfig<4>>() -> Constants {
    Constants { modulus: C::MODULUS.0, inverse: C::INV, all_ones: u64::MAX, zero: 0 }
}

/// `t0..=t4 = rdx * a`.
#[rustfmt::skip]
macro_rules! first_row {
    ($t0:literal, $t1:literal, $t2:literal, $t3:literal, $t4:literal) => {
        concat!(
            "xor {lo:e}, {lo:e}\n", // clears both carries
            "mulx ", $t1, ", ", $t0, ", [{a}]\n",
            "mulx ", $t2, ", {lo}, [{a} + 8]\n",
            "adcx ", $t1, ", {lo}\n",
            "mulx ", $t3, ", {lo}, [{a} + 16]\n",
            "adcx ", $t2, ", {lo}\n",
            "mulx ", $t4, ", {lo}, [{a} + 24]\n",
            "adcx ", $t3, ", {lo}\n",
            "adcx ", $t4, ", [{constants} + 48]\n",
        )
    };
}

/// `t0..=t4 = t0..=t3 + rdx * a`. Low halves ride on the carry flag, high halves on the overflow flag.
#[rustfmt::skip]
macro_rules! next_row {
    ($t0:literal, $t1:literal, $t2:literal, $t3:literal, $t4:literal) => {
        concat!(
            "xor {lo:e}, {lo:e}\n",
            "mulx {hi}, {lo}, [{a}]\n",
            "adcx ", $t0, ", {lo}\n",
            "adox ", $t1, ", {hi}\n",
            "mulx {hi}, {lo}, [{a} + 8]\n",
            "adcx ", $t1, ", {lo}\n",
            "adox ", $t2, ", {hi}\n",
            "mulx {hi}, {lo}, [{a} + 16]\n",
            "adcx ", $t2, ", {lo}\n",
            "adox ", $t3, ", {hi}\n",
            "mulx ", $t4, ", {lo}, [{a} + 24]\n",
            "adcx ", $t3, ", {lo}\n",
            "adox ", $t4, ", [{constants} + 48]\n",
            "adcx ", $t4, ", [{constants} + 48]\n",
        )
    };
}

/// `t0..=t4 = t0..=t4 + rdx * c`.
#[rustfmt::skip]
macro_rules! second_row {
    ($t0:literal, $t1:literal, $t2:literal, $t3:literal, $t4:literal) => {
        concat!(
            "xor {lo:e}, {lo:e}\n",
            "mulx {hi}, {lo}, [{c}]\n",
            "adcx ", $t0, ", {lo}\n",
            "adox ", $t1, ", {hi}\n",
            "mulx {hi}, {lo}, [{c} + 8]\n",
            "adcx ", $t1, ", {lo}\n",
            "adox ", $t2, ", {hi}\n",
            "mulx {hi}, {lo}, [{c} + 16]\n",
            "adcx ", $t2, ", {lo}\n",
            "adox ", $t3, ", {hi}\n",
            "mulx {hi}, {lo}, [{c} + 24]\n",
            "adcx ", $t3, ", {lo}\n",
            "adox ", $t4, ", {hi}\n",
            "adcx ", $t4, ", [{constants} + 48]\n",
        )
    };
}

/// `t1..=t4 = (t0..=t4 + m * p) / 2^64` with the m that makes the lowest word zero.
///
/// That word and its addend sum to 2^64 unless it is zero already, so adding 2^64 - 1 to it gives the
/// carry before the product is there.
#[rustfmt::skip]
macro_rules! reduce {
    ($t0:literal, $t1:literal, $t2:literal, $t3:literal, $t4:literal) => {
        concat!(
            "mov rdx, ", $t0, "\n",
            "imul rdx, [{constants} + 32]\n",
            "xor {lo:e}, {lo:e}\n",
            "adcx ", $t0, ", [{constants} + 40]\n",
            "mulx {hi}, {lo}, [{constants}]\n",
            "adox ", $t1, ", {hi}\n",
            "mulx {hi}, {lo}, [{constants} + 8]\n",
            "adcx ", $t1, ", {lo}\n",
            "adox ", $t2, ", {hi}\n",
            "mulx {hi}, {lo}, [{constants} + 16]\n",
            "adcx ", $t2, ", {lo}\n",
            "adox ", $t3, ", {hi}\n",
            "mulx {hi}, {lo}, [{constants} + 24]\n",
            "adcx ", $t3, ", {lo}\n",
            "adox ", $t4, ", {hi}\n",
            "adcx ", $t4, ", [{constants} + 48]\n",
        )
    };
}

impl Multiplier for PortableAdx {
    /// The method of the plain backend, whose bounds hold here too; the five words of the running sum
    /// change their roles instead of moving.
    #[inline(always)]
    fn multiply<C: MontConfig<4>>(a: &Words, b: &Words) -> Words {
        let (r0, r1, r2, r3): (u64, u64, u64, u64);
        // SAFETY: a kernel runs, so the processor has the instructions. They read four words at `a` and
        // at `b`, seven at `constants`, and write nothing but registers that are declared.
        unsafe {
            asm!(
                "mov rdx, [{b}]",
                first_row!("{t0}", "{t1}", "{t2}", "{t3}", "{t4}"),
                reduce!("{t0}", "{t1}", "{t2}", "{t3}", "{t4}"),
                "mov rdx, [{b} + 8]",
                next_row!("{t1}", "{t2}", "{t3}", "{t4}", "{t0}"),
                reduce!("{t1}", "{t2}", "{t3}", "{t4}", "{t0}"),
                "mov rdx, [{b} + 16]",
                next_row!("{t2}", "{t3}", "{t4}", "{t0}", "{t1}"),
                reduce!("{t2}", "{t3}", "{t4}", "{t0}", "{t1}"),
                "mov rdx, [{b} + 24]",
                next_row!("{t3}", "{t4}", "{t0}", "{t1}", "{t2}"),
                reduce!("{t3}", "{t4}", "{t0}", "{t1}", "{t2}"),
                a = in(reg) a.as_ptr(),
                b = in(reg) b.as_ptr(),
                constants = in(reg) std::ptr::from_ref(&const { constants::<C>() }),
                t4 = out(reg) r0,
                t0 = out(reg) r1,
                t1 = out(reg) r2,
                t2 = out(reg) r3,
                t3 = out(reg) _,
                lo = out(reg) _,
                hi = out(reg) _,
                out("rdx") _,
                options(pure, readonly, nostack),
            );
        }
        [r0, r1, r2, r3]
    }

    #[inline(always)]
    fn multiply_and_add<C: MontConfig<4>>(a: &Words, b: &Words, c: &Words, d: &Words) -> Words {
        let (r0, r1, r2, r3): (u64, u64, u64, u64);
        // SAFETY: a kernel runs, so the processor has the instructions. They read four words at each of
        // `a`, `b`, `c`, `d`, seven at `constants`, and write nothing but registers that are declared.
        unsafe {
            asm!(
                "mov rdx, [{b}]",
                first_row!("{t0}", "{t1}", "{t2}", "{t3}", "{t4}"),
                "mov rdx, [{d}]",
                second_row!("{t0}", "{t1}", "{t2}", "{t3}", "{t4}"),
                reduce!("{t0}", "{t1}", "{t2}", "{t3}", "{t4}"),
                "mov rdx, [{b} + 8]",
                next_row!("{t1}", "{t2}", "{t3}", "{t4}", "{t0}"),
                "mov rdx, [{d} + 8]",
                second_row!("{t1}", "{t2}", "{t3}", "{t4}", "{t0}"),
                reduce!("{t1}", "{t2}", "{t3}", "{t4}", "{t0}"),
                "mov rdx, [{b} + 16]",
                next_row!("{t2}", "{t3}", "{t4}", "{t0}", "{t1}"),
                "mov rdx, [{d} + 16]",
                second_row!("{t2}", "{t3}", "{t4}", "{t0}", "{t1}"),
                reduce!("{t2}", "{t3}", "{t4}", "{t0}", "{t1}"),
                "mov rdx, [{b} + 24]",
                next_row!("{t3}", "{t4}", "{t0}", "{t1}", "{t2}"),
                "mov rdx, [{d} + 24]",
                second_row!("{t3}", "{t4}", "{t0}", "{t1}", "{t2}"),
                reduce!("{t3}", "{t4}", "{t0}", "{t1}", "{t2}"),
                a = in(reg) a.as_ptr(),
                b = in(reg) b.as_ptr(),
                c = in(reg) c.as_ptr(),
                d = in(reg) d.as_ptr(),
                constants = in(reg) std::ptr::from_ref(&const { constants::<C>() }),
                t4 = out(reg) r0,
                t0 = out(reg) r1,
                t1 = out(reg) r2,
                t2 = out(reg) r3,
                t3 = out(reg) _,
                lo = out(reg) _,
                hi = out(reg) _,
                out("rdx") _,
                options(pure, readonly, nostack),
            );
        }
        [r0, r1, r2, r3]
    }

    /// The square's 8 words first, products of different words once and doubled; then the lower half is
    /// reduced to a number of at most p, to which the upper half is added: less than 4p^2 / 2^256 + p < 2p.
    #[inline(always)]
    fn square<C: MontConfig<4>>(a: &Words) -> Words {
        let (r0, r1, r2, r3): (u64, u64, u64, u64);
        // SAFETY: a kernel runs, so the processor has the instructions. They read four words at `a`,
        // seven at `constants`, and write nothing but registers that are declared.
        unsafe {
            asm!(
                // t1..=t6: the products of different words.
                "mov rdx, [{a}]",
                "xor {t8:e}, {t8:e}",
                "mulx {t2}, {t1}, [{a} + 8]",
                "mulx {t3}, {lo}, [{a} + 16]",
                "adcx {t2}, {lo}",
                "mulx {t4}, {lo}, [{a} + 24]",
                "adcx {t3}, {lo}",
                "mov rdx, [{a} + 8]",
                "mulx {hi}, {lo}, [{a} + 16]",
                "adox {t3}, {lo}",
                "adcx {t4}, {hi}",
                "mulx {t5}, {lo}, [{a} + 24]",
                "adox {t4}, {lo}",
                "adcx {t5}, {t8}",
                "mov rdx, [{a} + 16]",
                "mulx {t6}, {lo}, [{a} + 24]",
                "adox {t5}, {lo}",
                "adox {t6}, {t8}",
                // t0..=t7: doubled with the carry flag, the squares of the words added with the other.
                "xor {t7:e}, {t7:e}",
                "mov rdx, [{a}]",
                "mulx {hi}, {t0}, rdx",
                "adcx {t1}, {t1}",
                "adox {t1}, {hi}",
                "mov rdx, [{a} + 8]",
                "mulx {hi}, {lo}, rdx",
                "adcx {t2}, {t2}",
                "adox {t2}, {lo}",
                "adcx {t3}, {t3}",
                "adox {t3}, {hi}",
                "mov rdx, [{a} + 16]",
                "mulx {hi}, {lo}, rdx",
                "adcx {t4}, {t4}",
                "adox {t4}, {lo}",
                "adcx {t5}, {t5}",
                "adox {t5}, {hi}",
                "mov rdx, [{a} + 24]",
                "mulx {hi}, {lo}, rdx",
                "adcx {t6}, {t6}",
                "adox {t6}, {lo}",
                "adcx {t7}, {t8}",
                "adox {t7}, {hi}",
                // The lower half is reduced; t8 is zero and becomes the word above it.
                reduce!("{t0}", "{t1}", "{t2}", "{t3}", "{t8}"),
                "xor {t0:e}, {t0:e}",
                reduce!("{t1}", "{t2}", "{t3}", "{t8}", "{t0}"),
                "xor {t1:e}, {t1:e}",
                reduce!("{t2}", "{t3}", "{t8}", "{t0}", "{t1}"),
                "xor {t2:e}, {t2:e}",
                reduce!("{t3}", "{t8}", "{t0}", "{t1}", "{t2}"),
                "add {t8}, {t4}",
                "adc {t0}, {t5}",
                "adc {t1}, {t6}",
                "adc {t2}, {t7}",
                a = in(reg) a.as_ptr(),
                constants = in(reg) std::ptr::from_ref(&const { constants::<C>() }),
                t8 = out(reg) r0,
                t0 = out(reg) r1,
                t1 = out(reg) r2,
                t2 = out(reg) r3,
                t3 = out(reg) _,
                t4 = out(reg) _,
                t5 = out(reg) _,
                t6 = out(reg) _,
                t7 = out(reg) _,
                lo = out(reg) _,
                hi = out(reg) _,
                out("rdx") _,
                options(pure, readonly, nostack),
            );
        }
        [r0, r1, r2, r3]
    }
}
