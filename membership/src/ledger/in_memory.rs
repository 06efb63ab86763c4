//! A ledger that lives and dies with the process; for tests and simulations.

use weir_rln::{IdentityCommitment, UserMessageLimit};

use super::{Contract, Ledger, LedgerError, LedgerEvent, Membership, MembershipTable, Rules, table::Change};

/// The rules of registration without any storage; the model [`crate::RegistryFile`] is tested against.
#[derive(Debug)]
pub struct InMemoryLedger {
    table: MembershipTable,
    unpolled: Vec<LedgerEvent>,
}

impl InMemoryLedger {
    /// An empty ledger.
    pub fn new(rules: Rules) -> Self {
        Self { table: MembershipTable::new(rules), unpolled: Vec::new() }
    }

    fn perform(&mut self, change: Change) -> Membership {
        self.table.apply(change);
        self.unpolled.push(change.event());
        change.membership()
    }
}

impl Default for InMemoryLedger {
    fn default() -> Self {
        Self::new(Rules::default())
    }
}

impl Ledger for InMemoryLedger {
    fn contract(&self) -> Contract {
        Contract::local(&[0; 20])
    }

    fn rules(&self) -> Rules {
        self.table.rules()
    }

    fn register(
        &mut self,
        commitment: IdentityCommitment,
        limit: UserMessageLimit,
    ) -> Result<Membership, LedgerError> {
        let change = self.table.admit(commitment, limit)?;
        Ok(self.perform(change))
    }

    fn membership(&mut self, commitment: &IdentityCommitment) -> Result<Option<Membership>, LedgerError> {
        Ok(self.table.membership(commitment))
    }

    fn memberships(&mut self) -> Result<Vec<Membership>, LedgerError> {
        Ok(self.table.memberships().to_vec())
    }

    fn erase(&mut self, commitment: &IdentityCommitment) -> Result<Membership, LedgerError> {
        let change = self.table.dismiss(commitment)?;
        Ok(self.perform(change))
    }

    fn poll(&mut self) -> Result<Vec<LedgerEvent>, LedgerError> {
        Ok(std::mem::take(&mut self.unpolled))
    }
}
