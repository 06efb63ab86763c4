//! Gossip in any order, with answers of the proof pool that race, fail, come late or not at all,
//! against a model that knows which proofs hold.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::LazyLock,
};

use proptest::prelude::*;
use weir_rln::{Epoch, Nullifier, Rejection, Share};

use super::*;

const PROOF_UNITS: usize = 8;
const PARKED_UNITS: usize = 6;
const MEMBERS: u64 = 2;
const VARIANTS: u8 = 3;

/// Every message of two members, two message ids and two payloads, each with its proof, with the
/// proof made anew (other bytes, holds too), and with a forged one.
static MESSAGES: LazyLock<Vec<(WakuMessage, bool)>> = LazyLock::new(|| {
    let mut messages = Vec::new();
    for seed in 1..=MEMBERS {
        for id in 0..2 {
            for payload in ["one", "two"] {
                let message = Member::new(seed, 10).unproven(plain(payload), epoch_length(), MessageId(id));
                for variant in 0..VARIANTS {
                    let number = u8::try_from(messages.len()).expect("24 messages");
                    let message = with_proof(message.clone(), |proof| proof.proof = [number; 128]);
                    messages.push((message, variant < 2));
                }
            }
        }
    }
    messages
});

#[derive(Debug, Clone)]
enum Step {
    Gossip {
        from: u8,
        message: usize,
        version: u32,
    },
    Undecodable {
        from: u8,
    },
    /// An answer for any job there ever was. `None` is what the proof deserves.
    Answer {
        job: usize,
        failure: Option<ProofOutcome>,
    },
    LearnRoot {
        seed: u64,
    },
    Pass {
        millis: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let messages = MESSAGES.len();
    let failure = prop_oneof![
        8 => Just(None),
        1 => Just(Some(ProofOutcome::Failed)),
        1 => Just(Some(ProofOutcome::Shed)),
    ];
    prop_oneof![
        10 => (0..3_u8, 0..messages, 0..2_u32)
            .prop_map(|(from, message, version)| Step::Gossip { from, message, version }),
        1 => (0..3_u8).prop_map(|from| Step::Undecodable { from }),
        8 => (any::<usize>(), failure).prop_map(|(job, failure)| Step::Answer { job, failure }),
        1 => (1..=MEMBERS).prop_map(|seed| Step::LearnRoot { seed }),
        2 => (0..1500_u64).prop_map(|millis| Step::Pass { millis }),
    ]
}

struct Job {
    claim: ProofClaim,
    holds: bool,
    waiting: Vec<GossipId>,
}

struct Model {
    rig: Rig,
    jobs: BTreeMap<JobId, Job>,
    all_jobs: Vec<JobId>,
    sent: BTreeMap<GossipId, Option<WakuMessage>>,
    parked: BTreeSet<GossipId>,
    judged: BTreeMap<GossipId, Verdict>,
    first: HashMap<(Epoch, Nullifier), (Share, u8)>,
    senders: BTreeMap<GossipId, u8>,
    broken: BTreeSet<(Epoch, Nullifier)>,
}

impl Model {
    fn new() -> Self {
        let config = Config { proof_units: PROOF_UNITS, parked_units: PARKED_UNITS, ..rln_config() };
        Self {
            rig: Rig::new(config),
            jobs: BTreeMap::new(),
            all_jobs: Vec::new(),
            sent: BTreeMap::new(),
            parked: BTreeSet::new(),
            judged: BTreeMap::new(),
            first: HashMap::new(),
            senders: BTreeMap::new(),
            broken: BTreeSet::new(),
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Gossip { from, message, version } => {
                let message = WakuMessage { version, ..MESSAGES[message].0.clone() };
                self.gossip(from, message);
            }
            Step::Undecodable { from } => {
                self.sent.insert(GossipId(self.rig.next_id), None);
                let effects = self.rig.raw_gossip(peer(from), topic(), 9, Content::Undecodable);
                self.observe(&effects);
            }
            Step::Answer { job, failure } => {
                if !self.all_jobs.is_empty() {
                    self.answer(self.all_jobs[job % self.all_jobs.len()], failure);
                }
            }
            Step::LearnRoot { seed } => {
                let effects = self.rig.give(Input::Roots(vec![Member::new(seed, 10).root]));
                self.unpark(&effects);
                self.observe(&effects);
            }
            Step::Pass { millis } => {
                let effects = self.rig.pass(millis);
                self.observe(&effects);
            }
        }
        self.check_bounds();
    }

    fn gossip(&mut self, from: u8, message: WakuMessage) {
        let id = GossipId(self.rig.next_id);
        self.sent.insert(id, Some(message.clone()));
        self.senders.insert(id, from);
        let effects = self.rig.gossip_from(from, message.clone());
        let (asks, judges) = (asked(&effects).next().is_some(), verdicts(&effects).iter().any(|v| v.0 == id));
        if !asks && !judges {
            self.wait(id, &message);
        }
        self.observe(&effects);
    }

    /// A message without verdict and without verification of its own waits for someone else's, or
    /// for its root.
    fn wait(&mut self, id: GossipId, message: &WakuMessage) {
        let claim = claim_of(message);
        match self.jobs.values_mut().find(|job| job.claim == claim) {
            Some(job) => job.waiting.push(id),
            None => assert!(self.parked.insert(id)),
        }
    }

    /// Sorts the parked messages that were let go: into jobs of their own or of others.
    fn unpark(&mut self, effects: &[Effect]) {
        let judged: BTreeSet<_> = verdicts(effects).into_iter().map(|(id, _)| id).collect();
        let root_known = |root| {
            effects
                .iter()
                .any(|effect| matches!(effect, Effect::VerifyProof { claim, .. } if claim.root() == root))
        };
        for id in self.parked.clone() {
            let message = self.sent[&id].clone().expect("parked messages decode");
            let claim = claim_of(&message);
            if judged.contains(&id) || !root_known(claim.root()) {
                continue;
            }
            self.parked.remove(&id);
            for (job, asked) in asked(effects).filter(|(_, asked)| **asked == claim) {
                self.jobs.entry(job).or_insert_with(|| new_job(asked)).waiting.push(id);
            }
        }
    }

    fn answer(&mut self, id: JobId, failure: Option<ProofOutcome>) {
        let Some(job) = self.jobs.remove(&id) else {
            let effects = self.rig.checked(id, failure.unwrap_or(ProofOutcome::Valid));
            assert!(effects.is_empty(), "a job that is over was answered again");
            return;
        };
        let deserved = if job.holds { ProofOutcome::Valid } else { ProofOutcome::Invalid };
        let outcome = failure.unwrap_or(deserved);
        let expected: Vec<_> =
            job.waiting.iter().map(|id| (*id, self.expect(self.senders[id], &job.claim, outcome))).collect();
        let effects = self.rig.checked(id, outcome);
        assert_eq!(verdicts(&effects), expected);
        self.observe(&effects);
    }

    /// What the next message with `claim` deserves.
    fn expect(&mut self, from: u8, claim: &ProofClaim, outcome: ProofOutcome) -> Verdict {
        let line = (claim.epoch(), claim.nullifier());
        match outcome {
            ProofOutcome::Invalid => Verdict::from(&Rejection::InvalidProof),
            ProofOutcome::Failed => Verdict::Ignore(IgnoreReason::ProofFailed),
            ProofOutcome::Shed => Verdict::Ignore(IgnoreReason::ProofShed),
            ProofOutcome::Valid => match self.first.get(&line) {
                None => {
                    self.first.insert(line, (claim.share(), from));
                    Verdict::Accept
                }
                Some((first, _)) if *first == claim.share() => Verdict::Ignore(IgnoreReason::Duplicate),
                Some((_, sender)) if self.broken.insert(line) => match *sender == from {
                    true => Verdict::Reject(RejectReason::DoubleSignal),
                    false => Verdict::Ignore(IgnoreReason::DoubleSignal),
                },
                Some(_) => Verdict::Ignore(IgnoreReason::BreachedNullifier),
            },
        }
    }

    /// Books effects, and holds each to what may be said at all.
    fn observe(&mut self, effects: &[Effect]) {
        for (position, effect) in effects.iter().enumerate() {
            match effect {
                Effect::VerifyProof { id, claim, .. } => self.observe_job(*id, claim),
                Effect::Verdict { id, verdict } => {
                    assert_eq!(self.judged.insert(*id, *verdict), None, "{id:?} was judged twice");
                    self.parked.remove(id);
                    self.jobs.values_mut().for_each(|job| job.waiting.retain(|waiting| waiting != id));
                    self.jobs.retain(|_, job| !job.waiting.is_empty());
                    let delivered =
                        effects.get(position + 1).filter(|next| matches!(next, Effect::Deliver(_)));
                    assert_eq!(delivered.is_some(), *verdict == Verdict::Accept);
                    if let Some(Effect::Deliver(accepted)) = delivered {
                        assert_eq!(Some(accepted.message()), self.sent[id].as_ref());
                    }
                }
                Effect::Deliver(_) => {
                    assert!(matches!(
                        effects[position - 1],
                        Effect::Verdict { verdict: Verdict::Accept, .. }
                    ));
                }
                Effect::RecordNullifier { epoch, nullifier, share } => {
                    assert_eq!(self.first.get(&(*epoch, *nullifier)).map(|(first, _)| first), Some(share));
                }
                Effect::RecordEvidence(evidence) => {
                    let members = (1..=MEMBERS).map(|seed| Member::new(seed, 10).identity.commitment());
                    assert!(members.into_iter().any(|member| member == evidence.commitment));
                }
                Effect::RefreshRoots => assert!(!self.parked.is_empty()),
                Effect::Prove { .. } | Effect::Broadcast { .. } | Effect::Answer { .. } => {
                    panic!("nobody publishes")
                }
            }
        }
    }

    fn observe_job(&mut self, id: JobId, claim: &ProofClaim) {
        self.all_jobs.push(id);
        let running = self.jobs.iter().filter(|(other, job)| **other != id && job.claim == *claim).count();
        assert_eq!(running, 0, "one proof is checked twice at a time");
        // Unless it was let go from the parked ones, it is the message that was just sent.
        let newest = GossipId(self.rig.next_id - 1);
        self.jobs.entry(id).or_insert_with(|| Job { waiting: vec![newest], ..new_job(claim) });
    }

    fn check_bounds(&self) {
        let in_flight = self.rig.relay.in_flight();
        assert!(in_flight.proof_units <= PROOF_UNITS && in_flight.parked_units <= PARKED_UNITS);
        assert_eq!((in_flight.proofs, in_flight.parked), (self.jobs.len(), self.parked.len()));
    }
}

fn new_job(claim: &ProofClaim) -> Job {
    let holds = MESSAGES.iter().any(|(message, holds)| *holds && claim_of(message) == *claim);
    Job { claim: claim.clone(), holds, waiting: Vec::new() }
}

fn asked(effects: &[Effect]) -> impl Iterator<Item = (JobId, &ProofClaim)> {
    effects.iter().filter_map(|effect| match effect {
        Effect::VerifyProof { id, claim, .. } => Some((*id, claim)),
        _ => None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_message_gets_the_verdict_it_deserves_once(steps in prop::collection::vec(step(), 1..80)) {
        let mut model = Model::new();
        steps.into_iter().for_each(|step| model.run(step));
        model.run(Step::Pass { millis: 7000 });
        prop_assert_eq!(model.judged.len(), model.sent.len());
        prop_assert_eq!(model.rig.relay.in_flight(), InFlight::default());
        let accepts = model.judged.values().filter(|verdict| **verdict == Verdict::Accept).count();
        prop_assert_eq!(accepts, model.first.len(), "one accept for each line");
    }
}
