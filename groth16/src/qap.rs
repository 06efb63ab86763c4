//! From a witness to the quotient's scalars, as circom and snarkjs take it.
//!
//! For each row of the domain, the wires give a, b and c = ab; the polynomials through them satisfy
//! ab - c = qZ, where Z is zero on the domain. Circom's set-up holds H points for the values of qZ on
//! a coset of the domain instead of the coefficients of q, so those values are the scalars: move the
//! three polynomials to the coset, multiply, subtract.
//!
//! The result is a quadratic form in the wires, which slots make use of: it does not need a witness
//! that satisfies the constraints.

#[cfg(test)]
mod tests;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;

use crate::fft::CosetTransform;
use crate::key::ProvingKey;
use crate::lanes::{Backend, BackendKind, Kernel, Lanes, MAX_LANES, dispatch};
use crate::scratch::Scratch;

/// Takes quotients over the domain of one key.
pub(crate) struct Quotient {
    engine: Box<dyn QuotientEngine>,
    domain_size: usize,
}

impl Quotient {
    pub(crate) fn new(domain_size: usize, kind: BackendKind) -> Self {
        // A domain smaller than a block of vectors does not fill the lanes, and takes no time either.
        let kind = if domain_size < MAX_LANES * MAX_LANES { BackendKind::Portable } else { kind };
        Self { engine: dispatch(kind, MakeEngine { domain_size }), domain_size }
    }

    /// The scalars of the H query for `wires`: one for each row of the domain.
    ///
    /// `wires` has as many elements as the key has wires; the key has this domain.
    pub(crate) fn scalars(&self, key: &ProvingKey, wires: &[Fr]) -> Scratch<Fr> {
        let mut a = Scratch::filled(Fr::ZERO, self.domain_size);
        let mut b = Scratch::filled(Fr::ZERO, self.domain_size);
        key.a_rows.evaluate(wires, &mut a);
        key.b_rows.evaluate(wires, &mut b);
        self.engine.quotient(&mut a, &b);
        a
    }
}

/// A transform whose backend is known only when the program runs.
trait QuotientEngine: Send + Sync {
    /// Replaces the values of `a` on the domain by those of ab - c on the coset.
    fn quotient(&self, a: &mut [Fr], b: &[Fr]);
}

struct MakeEngine {
    domain_size: usize,
}

impl Kernel for MakeEngine {
    type Output = Box<dyn QuotientEngine>;

    #[inline(always)]
    fn run<B: Backend>(self, backend: B) -> Self::Output {
        Box::new(Engine { backend, transform: CosetTransform::<B>::new(self.domain_size) })
    }
}

struct Engine<B: Backend> {
    backend: B,
    transform: CosetTransform<B>,
}

impl<B: Backend> QuotientEngine for Engine<B> {
    fn quotient(&self, a: &mut [Fr], b: &[Fr]) {
        self.backend.run(QuotientKernel { transform: &self.transform, a, b });
    }
}

/// Runs on the backend `T` that its tables are for, and on no other: see [`Engine`].
struct QuotientKernel<'a, T: Backend> {
    transform: &'a CosetTransform<T>,
    a: &'a mut [Fr],
    b: &'a [Fr],
}

impl<T: Backend> Kernel for QuotientKernel<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<B: Backend>(self, _backend: B) {
        let Self { transform, a: left, b: right } = self;
        let lanes = T::Fr::LANES;
        let mut a = Scratch::filled(T::Fr::zero(), transform.vectors());
        let mut b = Scratch::filled(T::Fr::zero(), transform.vectors());
        let mut c = Scratch::filled(T::Fr::zero(), transform.vectors());
        for (index, (left, right)) in left.chunks_exact(lanes).zip(right.chunks_exact(lanes)).enumerate() {
            a[index] = T::Fr::from_lanes(left);
            b[index] = T::Fr::from_lanes(right);
            c[index] = a[index].mul(&b[index]);
        }
        for values in [&mut a, &mut b, &mut c] {
            transform.to_coset(values);
        }
        for (index, out) in left.chunks_exact_mut(lanes).enumerate() {
            a[index].mul(&b[index]).sub(&c[index]).to_lanes(out);
        }
    }
}
