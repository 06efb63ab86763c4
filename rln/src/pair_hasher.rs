//! Poseidon of many pairs at once: in lanes, and on several threads where it is worth starting them.
//!
//! The rounds are those of `weir_circuits`, run on the lanes of `weir_groth16`: this crate is the one
//! that knows both.

use std::{num::NonZeroUsize, thread};

use ark_ff::AdditiveGroup;
use weir_circuits::{Fr, HashElement, Schedule, pair_schedule};
use weir_groth16::lanes::{Backend, BackendKind, Kernel, Lanes, MAX_LANES, dispatch};

/// Below this many hashes, 1 ms of work, another thread (some 50 µs to start) is not worth it.
const HASHES_A_THREAD: usize = 128;

/// From this many hashes on, several lanes pay: they all have to be filled, and the constants be
/// brought into the lanes' form first, which costs about as much as two hashes.
const HASHES_FOR_LANES: usize = 8;

/// How pairs are hashed. What comes out is the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairHasher {
    backend: BackendKind,
    threads: NonZeroUsize,
}

impl PairHasher {
    /// With this backend, on at most so many threads.
    ///
    /// # Panics
    ///
    /// When the processor has not got the backend ([`BackendKind::is_available`]).
    pub fn new(backend: BackendKind, threads: NonZeroUsize) -> Self {
        assert!(backend.is_available(), "this processor cannot run the backend {backend}");
        Self { backend, threads }
    }

    /// With all that this machine has.
    pub fn detect() -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { backend: BackendKind::detect(), threads }
    }

    /// The hash of each pair, in order.
    pub(crate) fn hash_all(&self, pairs: &[[Fr; 2]]) -> Vec<Fr> {
        let mut hashes = vec![Fr::ZERO; pairs.len()];
        let threads = self.threads.get().min(pairs.len() / HASHES_A_THREAD);
        if threads <= 1 {
            self.hash_here(pairs, &mut hashes);
            return hashes;
        }
        let share = pairs.len().div_ceil(threads);
        thread::scope(|scope| {
            for (pairs, hashes) in pairs.chunks(share).zip(hashes.chunks_mut(share)) {
                scope.spawn(|| self.hash_here(pairs, hashes));
            }
        });
        hashes
    }

    fn hash_here(&self, pairs: &[[Fr; 2]], hashes: &mut [Fr]) {
        let backend = if pairs.len() < HASHES_FOR_LANES { BackendKind::Portable } else { self.backend };
        dispatch(backend, HashPairs { pairs, hashes });
    }
}

impl Default for PairHasher {
    fn default() -> Self {
        Self::detect()
    }
}

/// Hashes each pair into its place.
struct HashPairs<'a> {
    pairs: &'a [[Fr; 2]],
    hashes: &'a mut [Fr],
}

impl Kernel for HashPairs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<B: Backend>(self, _: B) {
        let schedule: Schedule<InLanes<B::Fr>, 2> =
            pair_schedule().map(|value| InLanes(B::Fr::splat(*value)));
        let lanes = B::Fr::LANES;
        for (pairs, hashes) in self.pairs.chunks(lanes).zip(self.hashes.chunks_mut(lanes)) {
            // Lanes without a pair hash zeros, which nobody looks at.
            let (mut left, mut right) = ([Fr::ZERO; MAX_LANES], [Fr::ZERO; MAX_LANES]);
            for (lane, pair) in pairs.iter().enumerate() {
                (left[lane], right[lane]) = (pair[0], pair[1]);
            }
            let inputs = [&left, &right].map(|values| InLanes(B::Fr::from_lanes(&values[..lanes])));
            schedule.hash(&inputs).0.to_lanes(&mut left[..lanes]);
            hashes.copy_from_slice(&left[..hashes.len()]);
        }
    }
}

/// The lanes of a backend as Poseidon calculates with them.
#[derive(Clone, Copy)]
struct InLanes<L>(L);

impl<L: Lanes<Fr>> HashElement for InLanes<L> {
    #[inline(always)]
    fn add(&self, other: &Self) -> Self {
        Self(self.0.add(&other.0))
    }

    #[inline(always)]
    fn mul(&self, other: &Self) -> Self {
        Self(self.0.mul(&other.0))
    }

    #[inline(always)]
    fn square(&self) -> Self {
        Self(self.0.square())
    }

    #[inline(always)]
    fn sum_of_products(a: &Self, b: &Self, c: &Self, d: &Self) -> Self {
        Self(L::sum_of_products(&a.0, &b.0, &c.0, &d.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_circuits::poseidon;

    use super::*;

    fn field() -> impl Strategy<Value = Fr> {
        use ark_ff::PrimeField;
        prop_oneof![
            1 => prop::sample::select(vec![Fr::from(0), Fr::from(1), -Fr::from(1)]),
            6 => any::<[u8; 32]>().prop_map(|bytes| Fr::from_le_bytes_mod_order(&bytes)),
        ]
    }

    /// The two that every machine can run, and the machine's own.
    fn backends() -> [BackendKind; 3] {
        [BackendKind::Portable, BackendKind::Emulated, BackendKind::detect()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn every_backend_and_number_of_threads_gives_the_hashes_of_single_pairs(
            pairs in prop::collection::vec([field(), field()], 0..20),
            repeat in 1usize..20,
            threads in 1usize..4,
        ) {
            let pairs = pairs.repeat(repeat);
            let expected: Vec<Fr> = pairs.iter().map(poseidon).collect();
            for backend in backends() {
                let hasher = PairHasher::new(backend, NonZeroUsize::new(threads).expect("from 1"));
                prop_assert_eq!(hasher.hash_all(&pairs), expected.clone(), "{}", backend);
            }
        }
    }
}
