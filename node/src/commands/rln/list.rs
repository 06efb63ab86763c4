//! `weir rln list`. As JSON: an array of `{"index", "commitment", "limit", "state"}`.

use std::fmt;

use serde::Serialize;
use weir_membership::{Ledger, Membership, MembershipState, RegistryFile};

use super::RlnError;
use crate::{cli::ListArgs, output};

/// Shows the registry. A registry that is not there is not made.
pub(super) fn list(arguments: &ListArgs) -> Result<(), RlnError> {
    let path = arguments.registry();
    if !path.exists() {
        return Err(RlnError::Missing { what: "registry", path });
    }
    let memberships = RegistryFile::open(&path)?.memberships()?;
    output::print_as(arguments.format, &Listing(memberships.iter().map(Row::of).collect()))?;
    Ok(())
}

#[derive(Debug, Serialize)]
struct Listing(Vec<Row>);

#[derive(Debug, Serialize)]
struct Row {
    index: u32,
    commitment: String,
    limit: u32,
    state: &'static str,
}

impl Row {
    fn of(membership: &Membership) -> Self {
        Self {
            index: membership.index.get(),
            commitment: membership.commitment.to_string(),
            limit: membership.limit.get(),
            state: match membership.state {
                MembershipState::Active => "active",
                MembershipState::GracePeriod => "grace_period",
                MembershipState::Expired => "expired",
                MembershipState::Erased => "erased",
            },
        }
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = output::Table::new(["INDEX", "COMMITMENT", "LIMIT", "STATE"]);
        for row in &self.0 {
            table.push([
                row.index.to_string(),
                row.commitment.clone(),
                row.limit.to_string(),
                row.state.to_owned(),
            ]);
        }
        table.fmt(f)
    }
}
