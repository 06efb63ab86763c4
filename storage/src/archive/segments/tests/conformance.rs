//! The suite that all archives pass, on segments so small that every step cuts, seals or splits some.

use proptest::prelude::*;

use super::*;
use crate::archive::{
    conformance::{Subject, check, steps},
    segments::tests::disks::Disks,
};

/// An archive whose crash is a power loss: what was not synced is there or not, sector by sector.
struct Powered {
    disks: Disks,
    archive: Option<Arc<Segments>>,
    losses: u64,
}

impl Powered {
    fn new() -> Self {
        let disks = Disks::default();
        let archive = Some(open_on(&disks));
        Self { disks, archive, losses: 0 }
    }
}

fn open_on(disks: &Disks) -> Arc<Segments> {
    Arc::new(Segments::open(Folder::Faulty(disks.clone()), TINY).unwrap())
}

impl Subject for Powered {
    fn archive(&self) -> Arc<dyn Archive> {
        Arc::<Segments>::clone(self.archive.as_ref().unwrap())
    }

    fn reopen(&mut self) {
        self.archive = None;
        self.archive = Some(open_on(&self.disks));
    }

    fn crash(&mut self) {
        self.losses += 1;
        // What the old process does when it is dropped goes to the old disks.
        self.disks = self.disks.after_power_loss(self.losses);
        self.archive = Some(open_on(&self.disks));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn segments_are_an_archive_through_power_losses(steps in steps(40)) {
        check(&mut Powered::new(), &steps)?;
    }
}
