//! Which records a peer is told.

use weir_core::peer_exchange::{Answer, EncodedRecord, MAX_RECORDS, Status};

/// Answers a request for `asked` peers with a uniform sample of `eligible`, at most [`MAX_RECORDS`].
///
/// Eligible are the node's own record and those of [`super::Book::eligible`]. `random` draws a number below
/// its argument, which is at least 1. That there are none is no failure.
pub fn answer(asked: u64, eligible: Vec<EncodedRecord>, mut random: impl FnMut(usize) -> usize) -> Answer {
    let mut records = eligible;
    let count = usize::try_from(asked).unwrap_or(usize::MAX).min(MAX_RECORDS).min(records.len());
    for place in 0..count {
        let rest = records.len() - place;
        // Whatever the source of randomness says, the place is one that exists.
        records.swap(place, place + random(rest).min(rest - 1));
    }
    records.truncate(count);
    Answer { status: Status::Success, description: None, records }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn records(count: u16) -> Vec<EncodedRecord> {
        (0..count).map(|n| EncodedRecord::new(n.to_be_bytes().to_vec().into()).expect("short")).collect()
    }

    #[test]
    fn nobody_known_is_a_success_without_peers() {
        assert_eq!(answer(5, vec![], |_| 0).status, Status::Success);
        assert!(answer(0, records(3), |_| 0).records.is_empty());
    }

    #[test]
    fn every_sample_of_two_among_three_comes_as_often() {
        let mut counts = BTreeMap::new();
        for (first, second) in (0..3).flat_map(|first| (0..2).map(move |second| (first, second))) {
            let mut draws = [first, second].into_iter();
            let told = answer(2, records(3), |_| draws.next().expect("two draws")).records;
            *counts.entry(told.into_iter().collect::<BTreeSet<_>>()).or_insert(0) += 1;
        }
        assert_eq!(counts.into_values().collect::<Vec<_>>(), [2, 2, 2]);
    }

    proptest! {
        #[test]
        fn told_is_what_was_asked_for_of_what_there_is_each_once(
            asked: u64,
            known in 0..100_u16,
            draws in prop::collection::vec(any::<usize>(), 60),
        ) {
            let mut draws = draws.into_iter();
            let told = answer(asked, records(known), |_| draws.next().expect("60 draws")).records;
            prop_assert_eq!(told.len() as u64, asked.min(60).min(known.into()));
            let known = records(known);
            prop_assert!(told.iter().all(|record| known.contains(record)));
            prop_assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len());
        }
    }
}
