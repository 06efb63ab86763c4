//! The recent roots that proofs may refer to.
//!
//! A prover learns of a new member later or earlier than a verifier, so a verifier accepts the
//! newest roots and not only the last (17/WAKU2-RLN-RELAY, `acceptable_root_window_size`).

use std::collections::VecDeque;

use crate::MerkleRoot;

/// The newest roots, oldest first, each once.
#[derive(Debug, Clone)]
pub struct RootWindow {
    roots: VecDeque<MerkleRoot>,
    capacity: usize,
}

impl RootWindow {
    /// Roots that nwaku keeps.
    pub const DEFAULT_CAPACITY: usize = 50;

    /// A window of at most `capacity` roots, at least one.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { roots: VecDeque::with_capacity(capacity), capacity }
    }

    /// Makes `root` the newest; the oldest leaves a full window. A root that comes back, because a
    /// member came and went, is only moved.
    pub fn push(&mut self, root: MerkleRoot) {
        self.roots.retain(|known| *known != root);
        if self.roots.len() == self.capacity {
            self.roots.pop_front();
        }
        self.roots.push_back(root);
    }

    /// Whether a proof may refer to `root`.
    pub fn contains(&self, root: &MerkleRoot) -> bool {
        self.roots.contains(root)
    }

    /// The newest root.
    pub fn current(&self) -> Option<MerkleRoot> {
        self.roots.back().copied()
    }

    /// Forgets all roots.
    pub fn clear(&mut self) {
        self.roots.clear();
    }
}

#[cfg(test)]
mod tests {
    use weir_circuits::Fr;

    use super::*;

    fn root(number: u64) -> MerkleRoot {
        MerkleRoot(Fr::from(number))
    }

    #[test]
    fn a_full_window_loses_its_oldest_root() {
        let mut window = RootWindow::new(3);
        assert_eq!(window.current(), None);
        (1..=4).for_each(|number| window.push(root(number)));
        assert!(!window.contains(&root(1)));
        assert!((2..=4).all(|number| window.contains(&root(number))));
        assert_eq!(window.current(), Some(root(4)));
    }

    #[test]
    fn a_root_that_returns_takes_one_place_and_is_the_newest() {
        let mut window = RootWindow::new(3);
        [1, 2, 1, 3].into_iter().for_each(|number| window.push(root(number)));
        assert!((1..=3).all(|number| window.contains(&root(number))));
        window.push(root(4));
        assert!(!window.contains(&root(2)), "2 was the oldest");
        assert!(window.contains(&root(1)));
    }
}
