//! Membership actor: follows the ledger and tells the relay which roots hold.
//!
//! Owns      the ledger's reading end and the [`Group`] projected from it.
//! Receives  [`Poll`] from its own timer and from the relay when a message names an unknown root,
//!           [`AnnounceRoots`] from a relay that was rebuilt, [`CountMembers`], [`DrainMembership`].
//! Sends     [`RootsChanged`] through a port, our own [`Standing`] through a watch.
//! Bounds    mailbox: every question and, twice a second, a poll of the relay.
//! On fault  the ledger is opened anew and read from its beginning; so it is when its events
//!           contradict each other, since the tree can no longer be trusted then.
//! Stops     with the node; [`DrainMembership`] before that writes the tree, which the next start
//!           otherwise makes anew.

use std::{path::PathBuf, time::Duration};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};
use tokio::sync::watch;
use weir_membership::{Group, GroupError, Ledger, LedgerError};
use weir_rln::{IdentityCommitment, MerkleRoot, RootWindow};

use crate::{
    metrics::MembershipMetrics,
    port::{Port, Reply},
    prover::Standing,
    supervision::{ASKS_IN_FLIGHT, Bounded, FactoryError, Lease},
};

#[cfg(test)]
mod tests;
mod tree_keeper;

use tree_keeper::TreeKeeper;

/// How often the ledger is asked for news. A poll of an unchanged registry file is one `stat`; a
/// member who registers can publish this much later on every node that shares it.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Asks for the ledger's news now, and for the roots whether or not there is any: who asks misses
/// one. No answer means that the ledger could not be read.
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

/// Asks for the tree to be written to disk, as the node stops; answers when that was tried.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct DrainMembership(pub(crate) Reply<()>);

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

/// Why the ledger's news could not be applied.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    /// It cannot be read; the next poll tries again.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Its events do not follow on the ones before.
    #[error(transparent)]
    Group(#[from] GroupError),
}

pub(crate) struct MembershipActor {
    ledger: Box<dyn Ledger>,
    group: Group,
    ours: Option<IdentityCommitment>,
    ports: Ports,
    metrics: MembershipMetrics,
    ledger_error: Option<String>,
    /// None when the tree is not kept, and when the node stops.
    tree: Option<TreeKeeper>,
    _lease: Lease,
}

impl MembershipActor {
    /// Reads the whole ledger once, so that an actor that exists knows the group. The tree at
    /// `tree_file` saves hashing it.
    pub(crate) fn new(
        mut ledger: Box<dyn Ledger>,
        tree_file: Option<PathBuf>,
        ours: Option<IdentityCommitment>,
        ports: Ports,
        metrics: MembershipMetrics,
        lease: Lease,
    ) -> Result<Self, FactoryError> {
        let mut tree = tree_file.map(TreeKeeper::new);
        let mut group = Group::new();
        if let Some(tree) = &mut tree {
            group = tree.resume(&ledger.poll()?)?;
        }
        let mut actor = Self { ledger, group, ours, ports, metrics, ledger_error: None, tree, _lease: lease };
        actor.follow()?;
        actor.publish_standing();
        Ok(actor)
    }

    /// Applies the ledger's news; true when there was any.
    fn follow(&mut self) -> Result<bool, FollowError> {
        let events = self.ledger.poll()?;
        self.group.apply_all(&events)?;
        self.metrics.members.set(i64::try_from(self.group.len()).unwrap_or(i64::MAX));
        Ok(!events.is_empty())
    }

    /// Whether there was news, which is announced then; `None` when the ledger could not be followed.
    fn poll(&mut self, ctx: &mut Context<Self>) -> Option<bool> {
        let followed = self.follow();
        match followed {
            Ok(news) => {
                if self.ledger_error.take().is_some() {
                    tracing::info!("the membership ledger can be read again");
                }
                if news {
                    self.announce();
                    self.publish_standing();
                }
                Some(news)
            }
            Err(error) => {
                self.failed(&error);
                if let FollowError::Group(_) = error {
                    // The lease is not finished, so the guardian makes an actor that reads it all again.
                    ctx.stop();
                }
                None
            }
        }
    }

    fn failed(&mut self, error: &FollowError) {
        let text = error.to_string();
        if self.ledger_error.as_ref() != Some(&text) {
            tracing::error!(error = text, "the membership ledger cannot be followed; known roots stay valid");
        }
        self.metrics.ledger_errors.inc();
        self.ledger_error = Some(text);
    }

    fn publish_standing(&self) {
        let Some(ours) = self.ours else { return };
        let stale = self.group.roots().len().saturating_sub(RootWindow::DEFAULT_CAPACITY / 2);
        let fresh_roots = self.group.roots().skip(stale).collect();
        let standing = self.group.path_of(&ours);
        let standing = standing.map(|(membership, path)| Standing { membership, path, fresh_roots });
        self.ports.standing.send_replace(standing);
    }

    fn announce(&self) {
        let roots = self.group.roots().collect();
        if self.ports.roots.tell(RootsChanged(roots)).is_err() {
            // A relay that comes back asks for the roots, and one that meets an unknown root polls.
            tracing::warn!("the relay did not take the new roots");
        }
    }
}

impl Bounded for MembershipActor {
    const MAILBOX: usize = ASKS_IN_FLIGHT + 64;
}

impl Actor for MembershipActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(POLL_INTERVAL, |actor, ctx| {
            actor.poll(ctx);
            if let Some(tree) = &mut actor.tree {
                tree.tend(&actor.group);
            }
        });
        self.announce();
    }
}

impl Handler<Poll> for MembershipActor {
    type Result = ();

    fn handle(&mut self, _: Poll, ctx: &mut Self::Context) {
        if self.poll(ctx) == Some(false) {
            self.announce();
        }
    }
}

impl Handler<AnnounceRoots> for MembershipActor {
    type Result = ();

    fn handle(&mut self, _: AnnounceRoots, _: &mut Self::Context) {
        self.announce();
    }
}

impl Handler<DrainMembership> for MembershipActor {
    type Result = ();

    fn handle(&mut self, DrainMembership(reply): DrainMembership, _: &mut Self::Context) {
        let writing = self.tree.take().and_then(|tree| tree.finish(&self.group));
        // Whoever waits for the disk is not this actor's thread, which the journal shares.
        let answer = move || {
            drop(writing.map(std::thread::JoinHandle::join));
            reply.give(());
        };
        if let Err(error) = std::thread::Builder::new().name("weir-tree-end".into()).spawn(answer) {
            tracing::warn!(%error, "no thread to wait for the membership tree");
        }
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
