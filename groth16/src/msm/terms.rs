//! Lists of points to be added up.

use zeroize::{DefaultIsZeroes, Zeroize, ZeroizeOnDrop};

/// A point or its negative. Points are numbered: first those of the table, then those of the [pool].
///
/// [pool]: super::rounds::Pool
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Term(u32);

impl Term {
    /// How many points can be numbered: 64 GiB of them and more.
    pub(super) const LIMIT: usize = 1 << 31;

    #[inline(always)]
    pub(super) fn new(point: usize, is_negative: bool) -> Self {
        debug_assert!(point < Self::LIMIT);
        Self((point as u32) << 1 | u32::from(is_negative))
    }

    #[inline(always)]
    pub(super) fn point(self) -> usize {
        (self.0 >> 1) as usize
    }

    #[inline(always)]
    pub(super) fn is_negative(self) -> bool {
        self.0 & 1 == 1
    }
}

impl DefaultIsZeroes for Term {}

/// Lists of terms, one after another: the first `lengths[0]` terms are list 0, and so on.
///
/// Which base is in which list tells the scalars, so memory is overwritten when the lists go. They are
/// made with their full length at once: a vector that grew would leave a copy behind.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub(super) struct Lists {
    pub(super) terms: Vec<Term>,
    pub(super) lengths: Vec<u32>,
}

impl Lists {
    /// Sorts into `lists` lists, by counting: each term goes to the end of the list given with it.
    ///
    /// The terms are gone through twice, which costs less than to keep them in between.
    #[inline(always)]
    pub(super) fn collect(lists: usize, terms: impl Iterator<Item = (usize, Term)> + Clone) -> Self {
        let mut lengths = vec![0u32; lists];
        terms.clone().for_each(|(list, _)| lengths[list] += 1);

        let mut ends = Vec::with_capacity(lists);
        let mut end = 0;
        for &length in &lengths {
            ends.push(end);
            end += length as usize;
        }
        let mut sorted = vec![Term::default(); end];
        terms.for_each(|(list, term)| {
            sorted[ends[list]] = term;
            ends[list] += 1;
        });
        ends.zeroize();
        Self { terms: sorted, lengths }
    }
}
