//! The bad members of a set whose product is bad, with few looks at products of subsets.

/// Into how many parts a bad set is split.
const PARTS: usize = 4;
/// Sets up to this size are looked at one by one.
const ONE_BY_ONE: usize = 8;

/// Names the bad members of `set`, which is bad as a whole, asking `is_good` about subsets.
///
/// A set of good members is good; a set with exactly one bad member is bad. (One with several is bad
/// except with negligible probability.) If every part of a bad set but the last is good, the last is bad
/// without a question.
///
/// Questions, for 128 members: at most 16 for one bad one; `4 + 16 + 128 = 148` when all are bad, of
/// which the question for a single member costs less than checking its proof from bytes.
pub(super) fn search(set: &[usize], is_good: &dyn Fn(&[usize]) -> bool) -> Vec<usize> {
    let mut bad = Vec::new();
    search_in(set, is_good, &mut bad);
    bad
}

/// The depth of the recursion is below the logarithm of the set's size to base [`PARTS`].
fn search_in(set: &[usize], is_good: &dyn Fn(&[usize]) -> bool, bad: &mut Vec<usize>) {
    if set.len() <= 1 {
        bad.extend(set);
        return;
    }
    let size = if set.len() <= ONE_BY_ONE { 1 } else { set.len().div_ceil(PARTS) };
    let found_before = bad.len();
    for part in set.chunks(size) {
        let is_last = part.as_ptr_range().end == set.as_ptr_range().end;
        let must_be_bad = is_last && bad.len() == found_before;
        if must_be_bad || !is_good(part) {
            search_in(part, is_good, bad);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    fn search_for(bad: &[bool]) -> (Vec<usize>, usize) {
        let set: Vec<usize> = (0..bad.len()).collect();
        let questions = Cell::new(0);
        let found = search(&set, &|subset| {
            questions.set(questions.get() + 1);
            subset.iter().all(|member| !bad[*member])
        });
        (found, questions.get())
    }

    proptest! {
        #[test]
        fn every_bad_member_is_named(bad in prop::collection::vec(any::<bool>(), 1..200)) {
            prop_assume!(bad.contains(&true));
            let expected: Vec<usize> = (0..bad.len()).filter(|member| bad[*member]).collect();
            prop_assert_eq!(search_for(&bad).0, expected);
        }
    }

    #[test]
    fn one_bad_member_takes_few_questions_and_many_take_little_more_than_one_each() {
        for place in 0..128 {
            let mut bad = [false; 128];
            bad[place] = true;
            let (found, questions) = search_for(&bad);
            assert_eq!(found, [place]);
            assert!(questions <= 16, "{questions} questions for {place}");
        }
        assert_eq!(search_for(&[true; 128]).1, 148);
    }
}
