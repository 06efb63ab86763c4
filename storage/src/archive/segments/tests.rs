//! The archive in files.

pub(super) mod disks;

mod conformance;
