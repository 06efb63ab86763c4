//! A bounded room that no single holder can fill.
//!
//! A holder may take as much as it leaves free (dynamic thresholds, Choudhury and Hahne 1998): one
//! alone gets half of the room, n busy ones get 1/(n + 1) each, and a newcomer always finds a share,
//! without a number of peers to configure.

use std::collections::BTreeMap;

/// The room and who holds how much of it.
#[derive(Debug)]
pub(crate) struct FairShare<H> {
    capacity: usize,
    used: usize,
    by_holder: BTreeMap<H, usize>,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// The holder has its share already.
    ShareUsed,
    /// Nobody can have more.
    Full,
}

impl<H: Ord + Clone> FairShare<H> {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { capacity, used: 0, by_holder: BTreeMap::new() }
    }

    pub(crate) fn take(&mut self, holder: &H, units: usize) -> Result<(), NoRoom> {
        let free = self.capacity - self.used;
        if units > free {
            return Err(NoRoom::Full);
        }
        let held = self.by_holder.get(holder).copied().unwrap_or(0);
        if held + units > free {
            return Err(NoRoom::ShareUsed);
        }
        self.used += units;
        self.by_holder.insert(holder.clone(), held + units);
        Ok(())
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&mut self, holder: &H, units: usize) {
        self.used -= units;
        if let Some(held) = self.by_holder.get_mut(holder) {
            *held -= units;
            if *held == 0 {
                self.by_holder.remove(holder);
            }
        }
    }

    pub(crate) const fn used(&self) -> usize {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use weir_core::PeerId;

    use super::*;
    use crate::relay::Origin;

    fn peer(n: u8) -> Origin {
        Origin::Peer(PeerId::from_bytes(&[n]).expect("one byte"))
    }

    fn fill(room: &mut FairShare<Origin>, holder: &Origin) -> usize {
        (0..).take_while(|_| room.take(holder, 1).is_ok()).count()
    }

    #[test]
    fn one_holder_gets_half_and_every_newcomer_still_finds_a_share() {
        let mut room = FairShare::new(64);
        assert_eq!(fill(&mut room, &peer(1)), 32);
        assert_eq!(room.take(&peer(1), 1), Err(NoRoom::ShareUsed));
        assert_eq!(fill(&mut room, &peer(2)), 16);
        assert_eq!(fill(&mut room, &Origin::Local), 8);
        assert_eq!(room.take(&peer(3), 9), Err(NoRoom::Full));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_no_empty_holder_is_kept() {
        let mut room = FairShare::new(10);
        assert_eq!(room.take(&peer(1), 5), Ok(()));
        room.give_back(&peer(1), 5);
        assert_eq!((room.used(), room.by_holder.len()), (0, 0));
        assert_eq!(room.take(&peer(1), 5), Ok(()));
    }
}
