//! Tests of the membership: the shell around the logic, between probes and under paused time.

use std::sync::{Arc, Mutex};

use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use weir_membership::{Contract, InMemoryLedger, LedgerEvent, Membership, Rules};
use weir_rln::{Identity, UserMessageLimit, test_utils::Member};

use super::*;
use crate::{
    metrics::Metrics,
    probe::{Inbox, probe, supervised, within},
    supervision::{Fault, Handle},
};

/// A ledger the test holds too, and what its next polls do.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<(InMemoryLedger, Mood)>>);

#[derive(Default)]
enum Mood {
    #[default]
    Well,
    Unreadable,
    /// Tells everything a second time, once.
    Contradicts,
}

impl Shared {
    fn register(&self, identity: &Identity) {
        let limit = UserMessageLimit::new(10).expect("in range");
        self.0.lock().unwrap().0.register(identity.commitment(), limit).expect("registers");
    }

    fn be(&self, mood: Mood) {
        self.0.lock().unwrap().1 = mood;
    }

    /// As after opening a file again: from the beginning, whatever was polled before.
    fn reopened(&self) -> Box<dyn Ledger> {
        let mut ledger = InMemoryLedger::default();
        let mut shared = self.0.lock().unwrap();
        for membership in shared.0.memberships().expect("readable") {
            ledger.register(membership.commitment, membership.limit).expect("registers");
        }
        shared.0 = ledger;
        drop(shared);
        Box::new(self.clone())
    }
}

impl Ledger for Shared {
    fn contract(&self) -> Contract {
        self.0.lock().unwrap().0.contract()
    }

    fn rules(&self) -> Rules {
        self.0.lock().unwrap().0.rules()
    }

    fn register(
        &mut self,
        commitment: IdentityCommitment,
        limit: UserMessageLimit,
    ) -> Result<Membership, LedgerError> {
        self.0.lock().unwrap().0.register(commitment, limit)
    }

    fn membership(&mut self, commitment: &IdentityCommitment) -> Result<Option<Membership>, LedgerError> {
        self.0.lock().unwrap().0.membership(commitment)
    }

    fn memberships(&mut self) -> Result<Vec<Membership>, LedgerError> {
        self.0.lock().unwrap().0.memberships()
    }

    fn erase(&mut self, commitment: &IdentityCommitment) -> Result<Membership, LedgerError> {
        self.0.lock().unwrap().0.erase(commitment)
    }

    fn poll(&mut self) -> Result<Vec<LedgerEvent>, LedgerError> {
        let mut shared = self.0.lock().unwrap();
        match shared.1 {
            Mood::Well => shared.0.poll(),
            Mood::Unreadable => Err(unreadable()),
            Mood::Contradicts => {
                shared.1 = Mood::Well;
                let known = shared.0.memberships()?;
                let again = |Membership { commitment, limit, index, .. }: Membership| {
                    LedgerEvent::MembershipRegistered { commitment, limit, index }
                };
                Ok(known.into_iter().map(again).collect())
            }
        }
    }
}

fn unreadable() -> LedgerError {
    LedgerError::Full { capacity: 0 }
}

struct Rig {
    ledger: Shared,
    us: Identity,
    membership: Handle<MembershipActor>,
    roots: Inbox<RootsChanged>,
    standing: watch::Receiver<Option<Standing>>,
    faults: mpsc::Receiver<Fault>,
}

impl Rig {
    async fn new() -> Self {
        tokio::time::pause();
        Self::of(Shared::default(), None).await
    }

    /// In real time: while a thread writes the file, paused time would run ahead to the next deadline.
    async fn of(ledger: Shared, tree_file: Option<PathBuf>) -> Self {
        let us = Member::new(1, 10).identity;
        let (port, roots) = probe();
        let (sender, standing) = watch::channel(None);
        let metrics = Metrics::register(&mut Registry::default()).membership;
        let (opened, ours) = (ledger.clone(), us.commitment());
        let (membership, faults) = supervised(move |lease| {
            let ports = Ports { roots: port.clone(), standing: sender.clone() };
            MembershipActor::new(
                opened.reopened(),
                tree_file.clone(),
                Some(ours),
                ports,
                metrics.clone(),
                lease,
            )
        })
        .await;
        Self { ledger, us, membership, roots, standing, faults }
    }

    async fn report(&self) -> MembershipReport {
        self.membership.ask(Duration::from_secs(1), CountMembers).await.expect("answers")
    }

    fn register_others(&self, seeds: std::ops::Range<u64>) {
        for seed in seeds {
            self.ledger.register(&Member::new(seed, 10).identity);
        }
    }
}

#[actix::test]
async fn a_registration_is_announced_once_and_our_standing_with_it() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.roots.next().await.0, [], "at the start, of an empty group");
    rig.ledger.register(&rig.us);
    let RootsChanged(roots) = rig.roots.next().await;
    assert_eq!(roots, [Member::new(1, 10).root]);
    rig.standing.changed().await.expect("the actor is there");
    let standing = rig.standing.borrow_and_update().clone().expect("registered");
    assert_eq!(standing.membership.commitment, rig.us.commitment());
    tokio::time::sleep(POLL_INTERVAL * 10).await;
    assert!(rig.roots.drain().is_empty());
    let report = MembershipReport { members: 1, registered: Some(true), ledger_error: None };
    assert_eq!(rig.report().await, report);
}

#[actix::test]
async fn every_root_of_a_burst_is_announced_since_a_proof_may_name_any() {
    let mut rig = Rig::new().await;
    rig.roots.next().await;
    rig.register_others(2..6);
    assert_eq!(rig.roots.next().await.0.len(), 4);
}

#[actix::test]
async fn a_poll_of_the_relay_is_answered_even_without_news() {
    let mut rig = Rig::new().await;
    rig.roots.next().await;
    rig.register_others(2..3);
    let announced = rig.roots.next().await.0;
    rig.membership.tell(Poll).expect("taken");
    rig.membership.tell(AnnounceRoots).expect("taken");
    assert_eq!((rig.roots.next().await.0, rig.roots.next().await.0), (announced.clone(), announced));
}

#[actix::test]
async fn an_unreadable_ledger_is_reported_while_known_roots_stay_and_is_read_again() {
    let mut rig = Rig::new().await;
    rig.roots.next().await;
    rig.register_others(2..3);
    let known = rig.roots.next().await.0;
    rig.ledger.be(Mood::Unreadable);
    // Who asks for news learns that there is no answer: a root may be missing here and be in the ledger.
    rig.membership.tell(Poll).expect("taken");
    tokio::time::sleep(POLL_INTERVAL * 3).await;
    assert_eq!(rig.report().await.ledger_error, Some(unreadable().to_string()));
    assert!(rig.roots.drain().is_empty());
    rig.membership.tell(AnnounceRoots).expect("taken");
    assert_eq!(rig.roots.next().await.0, known);
    rig.register_others(3..4);
    rig.ledger.be(Mood::Well);
    assert_eq!(rig.roots.next().await.0.len(), 2);
    assert_eq!(rig.report().await.ledger_error, None);
}

#[actix::test]
async fn events_that_contradict_each_other_make_the_group_be_read_again_from_the_beginning() {
    let mut rig = Rig::new().await;
    rig.roots.next().await;
    rig.register_others(2..5);
    let known = rig.roots.next().await.0;
    rig.ledger.be(Mood::Contradicts);
    assert_eq!(within(rig.faults.recv()).await.map(|fault| fault.fatal), Some(false));
    assert_eq!(rig.roots.next().await.0, known);
    assert_eq!(rig.report().await.members, 3);
}

#[actix::test]
async fn a_drain_writes_the_tree_and_the_next_start_takes_it_or_does_without_it() {
    let world = tempfile::tempdir().expect("a directory");
    let path = world.path().join("tree");
    let mut rig = Rig::of(Shared::default(), Some(path.clone())).await;
    rig.roots.next().await;
    rig.register_others(2..80);
    let known = rig.roots.next().await.0;
    rig.membership.ask(Duration::from_secs(60), DrainMembership).await.expect("answers");
    let sound = std::fs::read(&path).expect("written");

    let mut damaged = sound.clone();
    damaged[1000] ^= 1;
    for bytes in [sound, damaged, b"something else".to_vec()] {
        std::fs::write(&path, bytes).expect("room");
        let mut next = Rig::of(rig.ledger.clone(), Some(path.clone())).await;
        let roots = next.roots.next().await.0;
        assert_eq!(roots.last(), known.last());
        assert_eq!(next.report().await.members, 78);
    }
}
