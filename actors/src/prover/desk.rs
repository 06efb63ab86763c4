//! The desk: where message ids and slots are handed out, each once.

use std::{num::NonZeroU32, sync::Arc};

use tokio::sync::watch;
use weir_core::Timestamp;
use weir_membership::Membership;
use weir_protocols::relay::ProofRefusal;
use weir_rln::{
    Epoch, EpochLength, Identity, MemberProver, MessageId, ProveError, Prover, RlnIdentifier, Slot,
    SlotPlanner, UserMessageLimit, ValidatorConfig,
    quota::{QuotaLedger, Step},
};
use weir_storage::{QuotaStore, StoreError};

use super::{QuotaUse, Standing};
use crate::{
    metrics::ProofTier,
    node::{MemberSettings, StartError},
};

/// Message ids reserved at a time: one fsync for so many messages, and at most so many of the quota
/// lost in a crash, besides those in slots. A sixteenth of the usual limits (100 to 600), rounded down
/// to a power of two.
const RESERVED_AT_ONCE: NonZeroU32 = NonZeroU32::new(8).expect("8 is not 0");

/// What is known of the membership, and what is left of its quota.
pub(super) struct Desk {
    identity: Identity,
    epoch_length: EpochLength,
    rln_identifier: RlnIdentifier,
    ledger: QuotaLedger,
    store: QuotaStore,
    planner: SlotPlanner<Slot>,
    /// Prepared for a tree that is fresh or was.
    member: Option<Arc<MemberProver>>,
    /// The epoch of the slot that is being made. Its id is handed out and not among the planner's.
    making: Option<Epoch>,
    standing: watch::Receiver<Option<Standing>>,
    used: watch::Sender<Option<QuotaUse>>,
    closed: bool,
}

/// What a proof is made from. Whoever has it must use it up.
pub(super) enum Material {
    /// All but the signal.
    Slot(Slot),
    /// An id nobody else has.
    Id { member: Arc<MemberProver>, rln_identifier: RlnIdentifier, message_id: MessageId },
}

/// A slot to be made.
pub(super) struct Order {
    member: Arc<MemberProver>,
    rln_identifier: RlnIdentifier,
    epoch: Epoch,
    message_id: MessageId,
}

impl Desk {
    pub(super) fn new(
        settings: MemberSettings,
        ValidatorConfig { epoch_length, rln_identifier, .. }: ValidatorConfig,
        standing: watch::Receiver<Option<Standing>>,
        used: watch::Sender<Option<QuotaUse>>,
        now: Timestamp,
    ) -> Result<Self, StartError> {
        let MemberSettings { identity, quota: store } = settings;
        let epoch = epoch_length.of(now);
        let spent = match store.used(&identity.commitment().to_bytes(), epoch.number()) {
            // Nothing is granted in this epoch: what was used of it is not known.
            Err(StoreError::EpochForgotten { .. }) => u32::MAX,
            spent => spent?,
        };
        used.send_replace(Some(QuotaUse { epoch, used: spent }));
        Ok(Self {
            identity,
            epoch_length,
            rln_identifier,
            ledger: QuotaLedger::new(RESERVED_AT_ONCE),
            store,
            planner: SlotPlanner::new(epoch_length),
            member: None,
            making: None,
            standing,
            used,
            closed: false,
        })
    }

    /// Hands out what a proof of `epoch` is made from: the oldest slot, or an id without one.
    pub(super) fn material_for(
        &mut self,
        epoch: Epoch,
        prover: &Prover,
        now: Timestamp,
    ) -> Result<Material, ProofRefusal> {
        let standing = self.standing.borrow().clone().ok_or(ProofRefusal::NotYetRegistered)?;
        self.discard_stale(&standing, now);
        let material = match self.planner.take(epoch) {
            Some(slot) => Ok(Material::Slot(slot)),
            None => self.allocate(epoch, standing.membership, QuotaLedger::next).map(|message_id| {
                let member = self.fresh_member(&standing, prover);
                Material::Id { member, rln_identifier: self.rln_identifier, message_id }
            }),
        };
        if material.is_ok() {
            self.planner.sent(now);
        }
        if material.is_ok() || matches!(material, Err(ProofRefusal::QuotaExhausted { .. })) {
            self.tell_use(epoch);
        }
        material
    }

    /// The slot to make next, if one is wanted; [`Desk::made`] ends it. Refused when its id cannot be
    /// had.
    pub(super) fn next_order(
        &mut self,
        prover: &Prover,
        now: Timestamp,
    ) -> Result<Option<Order>, ProofRefusal> {
        let Some(standing) = self.standing.borrow().clone() else { return Ok(None) };
        self.discard_stale(&standing, now);
        let limit = standing.membership.limit;
        let remaining = |epoch| limit.get().saturating_sub(self.ledger.used(epoch));
        let Some(epoch) = self.planner.wanted(now, limit, remaining) else { return Ok(None) };
        let message_id = self.allocate(epoch, standing.membership, QuotaLedger::next_ahead)?;
        let member = self.newest_member(&standing, prover);
        self.making = Some(epoch);
        Ok(Some(Order { member, rln_identifier: self.rln_identifier, epoch, message_id }))
    }

    /// Takes in the slot of `order`. The id of one that failed has proven nothing and is free again.
    pub(super) fn made(&mut self, order: &Order, slot: Option<Slot>) {
        self.making = None;
        match slot {
            Some(slot) => self.planner.put(order.epoch, order.message_id, slot.root(), slot),
            None => self.planner.put_back(order.epoch, order.message_id),
        }
    }

    pub(super) fn is_making(&self, epoch: Epoch) -> bool {
        self.making == Some(epoch)
    }

    pub(super) fn slots_ready(&self) -> usize {
        self.planner.ready_in_all()
    }

    pub(super) const fn close(&mut self) {
        self.closed = true;
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    fn discard_stale(&mut self, standing: &Standing, now: Timestamp) {
        let discarded = self.planner.discard_stale(now, |root| standing.fresh_roots.contains(root));
        if discarded > 0 {
            tracing::debug!(discarded, "slots of an old root or epoch thrown away");
        }
    }

    /// A prover whose proofs are accepted: the one there is as long as its root is fresh, since a new
    /// one has to be prepared first.
    fn fresh_member(&mut self, standing: &Standing, prover: &Prover) -> Arc<MemberProver> {
        match &self.member {
            Some(member) if standing.fresh_roots.contains(&member.root()) => Arc::clone(member),
            _ => self.new_member(standing, prover),
        }
    }

    /// A prover for the newest tree.
    fn newest_member(&mut self, standing: &Standing, prover: &Prover) -> Arc<MemberProver> {
        match &self.member {
            Some(member) if standing.fresh_roots.last() == Some(&member.root()) => Arc::clone(member),
            _ => self.new_member(standing, prover),
        }
    }

    fn new_member(&mut self, standing: &Standing, prover: &Prover) -> Arc<MemberProver> {
        let limit = standing.membership.limit;
        let member = Arc::new(prover.member(self.identity.secret(), limit, &standing.path));
        self.member = Some(Arc::clone(&member));
        member
    }

    /// An id of `epoch` that was never handed out, or whose slot was thrown away. New ones are on disk
    /// as used when this returns.
    fn allocate(
        &mut self,
        epoch: Epoch,
        membership: Membership,
        next: fn(&mut QuotaLedger, Epoch, UserMessageLimit) -> Step,
    ) -> Result<MessageId, ProofRefusal> {
        if let Some(id) = self.planner.spare_id(epoch) {
            return Ok(id);
        }
        let limit = membership.limit;
        loop {
            match next(&mut self.ledger, epoch, limit) {
                Step::Use(id) => return Ok(id),
                Step::Reserve { epoch, count } => {
                    let key = membership.commitment.to_bytes();
                    let granted = self
                        .store
                        .reserve(&key, epoch.number(), count.get(), limit.get())
                        .map_err(|error| self.refusal(error, limit, epoch))?;
                    self.ledger
                        .granted(epoch, limit, granted)
                        .map_err(|error| ProofRefusal::Storage(error.to_string()))?;
                }
                Step::Exhausted => {
                    return Err(ProofRefusal::QuotaExhausted {
                        limit: limit.get(),
                        epoch,
                        resets_at: self.epoch_length.end(epoch),
                    });
                }
                Step::Forgotten => {
                    return Err(ProofRefusal::Storage(format!(
                        "epoch {} ended too long ago to publish in it; check the machine's clock",
                        epoch.number()
                    )));
                }
            }
        }
    }

    fn refusal(&self, error: StoreError, limit: UserMessageLimit, epoch: Epoch) -> ProofRefusal {
        match error {
            StoreError::EpochForgotten { floor, .. } => ProofRefusal::QuotaExhausted {
                limit: limit.get(),
                epoch,
                resets_at: self.epoch_length.start(Epoch::new(floor)),
            },
            error => ProofRefusal::Storage(error.to_string()),
        }
    }

    /// Tells how much of `epoch` is used; what slots hold is not.
    fn tell_use(&self, epoch: Epoch) {
        let held = self.planner.held(epoch) + u32::from(self.is_making(epoch));
        let used = self.ledger.used(epoch).saturating_sub(held);
        self.used.send_replace(Some(QuotaUse { epoch, used }));
    }
}

impl Material {
    pub(super) const fn tier(&self) -> ProofTier {
        match self {
            Self::Slot(_) => ProofTier::Slot,
            Self::Id { .. } => ProofTier::Member,
        }
    }
}

impl Order {
    /// Makes the slot.
    pub(super) fn fill(&self) -> Result<Slot, ProveError> {
        self.member.slot(self.epoch, self.rln_identifier, self.message_id)
    }
}
