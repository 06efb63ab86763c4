//! Membership actor: follows the ledger and tells the relay which roots hold.
//!
//! Owns      the ledger's reading end and the [`Group`] projected from it.
//! Receives  [`Poll`] from its own timer and from the relay when a message names an unknown root,
//!           [`AnnounceRoots`] from a relay that was rebuilt, [`Register`], [`CountMembers`].
//! Sends     [`RootsChanged`] through a port, our own [`Standing`] through a watch.
//! Bounds    mailbox 64: one poll waits at most beside the questions.
//! On fault  the ledger is opened anew and read from its beginning.
//! Stops     with the node; it holds nothing that could be lost.

use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message};
use tokio::sync::watch;
use weir_membership::{Group, Ledger};
use weir_rln::{IdentityCommitment, MerkleRoot};

use crate::{
    metrics::MembershipMetrics,
    port::{Port, Reply},
    prover::Standing,
    supervision::{FactoryError, Lease},
};

/// How often the ledger is asked for news. A poll of an unchanged registry file is one `stat`; a
/// member who registers can publish this much later on every node that shares it.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

const MAILBOX: usize = 64;

/// Asks for the ledger's news now.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Poll;

/// Asks for the valid roots, whether or not they changed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct AnnounceRoots;

/// The roots that hold now, oldest first.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct RootsChanged(pub(crate) Vec<MerkleRoot>);

/// Asks how many members there are and whether the ledger can be read.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct CountMembers(pub(crate) Reply<MembershipReport>);

/// What the membership actor knows of its ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipReport {
    /// Members in the group.
    pub members: usize,
    /// Whether our own commitment is among them; none when the node has no credential.
    pub registered: Option<bool>,
    /// Why the last poll failed, if it did.
    pub ledger_error: Option<String>,
}

/// What the actor needs from the rest of the node.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) roots: Port<RootsChanged>,
    pub(crate) standing: watch::Sender<Option<Standing>>,
}

pub(crate) struct MembershipActor {
    ledger: Box<dyn Ledger>,
    group: Group,
    ours: Option<IdentityCommitment>,
    ports: Ports,
    metrics: MembershipMetrics,
    ledger_error: Option<String>,
    _lease: Lease,
}

impl MembershipActor {
    /// Reads the whole ledger once, so that an actor that exists knows the group.
    pub(crate) fn new(
        ledger: Box<dyn Ledger>,
        ours: Option<IdentityCommitment>,
        ports: Ports,
        metrics: MembershipMetrics,
        lease: Lease,
    ) -> Result<Self, FactoryError> {
        let group = Group::new();
        let mut actor = Self { ledger, group, ours, ports, metrics, ledger_error: None, _lease: lease };
        actor.follow()?;
        actor.publish_standing();
        Ok(actor)
    }

    /// Applies the ledger's news; true when the tree changed.
    fn follow(&mut self) -> Result<bool, FactoryError> {
        let events = self.ledger.poll()?;
        let mut changed = false;
        for event in &events {
            changed |= self.group.apply(event)?.is_some();
        }
        self.metrics.members.set(i64::try_from(self.group.len()).unwrap_or(i64::MAX));
        Ok(changed)
    }

    fn poll(&mut self) {
        match self.follow() {
            Ok(changed) => {
                if self.ledger_error.take().is_some() {
                    tracing::info!("the membership ledger can be read again");
                }
                if changed {
                    self.publish_standing();
                    self.announce();
                }
            }
            Err(error) => {
                let text = error.to_string();
                if self.ledger_error.as_ref() != Some(&text) {
                    tracing::error!(
                        error = text,
                        "the membership ledger cannot be read; known roots stay valid"
                    );
                }
                self.metrics.ledger_errors.inc();
                self.ledger_error = Some(text);
            }
        }
    }

    fn publish_standing(&self) {
        let Some(ours) = self.ours else { return };
        let standing = self.group.path_of(&ours).map(|(membership, path)| Standing { membership, path });
        self.ports.standing.send_replace(standing);
    }

    fn announce(&self) {
        let roots = self.group.roots().collect();
        if self.ports.roots.tell(RootsChanged(roots)).is_err() {
            // The relay asks for the roots when it comes back, and the next change announces all.
            tracing::warn!("the relay did not take the new roots");
        }
    }
}

impl Actor for MembershipActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.run_interval(POLL_INTERVAL, |actor, _| actor.poll());
        self.announce();
    }
}

impl Handler<Poll> for MembershipActor {
    type Result = ();

    fn handle(&mut self, _: Poll, _: &mut Self::Context) {
        self.poll();
    }
}

impl Handler<AnnounceRoots> for MembershipActor {
    type Result = ();

    fn handle(&mut self, _: AnnounceRoots, _: &mut Self::Context) {
        self.announce();
    }
}

impl Handler<CountMembers> for MembershipActor {
    type Result = ();

    fn handle(&mut self, CountMembers(reply): CountMembers, _: &mut Self::Context) {
        reply.give(MembershipReport {
            members: self.group.len(),
            registered: self.ours.map(|_| self.ports.standing.borrow().is_some()),
            ledger_error: self.ledger_error.clone(),
        });
    }
}
