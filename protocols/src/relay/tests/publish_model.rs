//! Publishes under any interleaving of proofs, verifications, network outcomes, timeouts, drain and
//! unsubscription.

use std::{collections::BTreeMap, sync::LazyLock};

use proptest::prelude::*;

use super::*;

const MAX_PUBLISHES: usize = 5;
const PAYLOADS: usize = 6;

/// Each payload under its own message id, and under the id of its neighbour.
static PROVEN: LazyLock<Vec<[WakuMessage; 2]>> = LazyLock::new(|| {
    let id = |number: usize| u32::try_from(number).expect("few");
    (0..PAYLOADS).map(|n| [n, (n + 1) % PAYLOADS].map(|used| proven(&payload(n), id(used)))).collect()
});

fn payload(number: usize) -> String {
    format!("payload {number}")
}

#[derive(Debug, Clone)]
enum Step {
    Publish {
        payload: usize,
        own_proof: bool,
        skew_secs: i64,
        size: usize,
    },
    /// For any ticket there ever was, as all that follow.
    Proved {
        ticket: usize,
        reuse_id: bool,
        refusal: Option<ProofRefusal>,
    },
    Broadcasted {
        ticket: usize,
        result: Result<usize, BroadcastError>,
    },
    Checked {
        job: usize,
        outcome: ProofOutcome,
    },
    Pass {
        millis: u64,
    },
    Resubscribe,
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    let skew = prop_oneof![6 => Just(0_i64), 1 => Just(-30_i64), 1 => Just(30_i64)];
    let size = prop_oneof![8 => Just(300_usize), 1 => Just(200_000_usize)];
    let refusal = prop_oneof![
        4 => Just(None),
        1 => Just(Some(ProofRefusal::Overloaded)),
        1 => Just(Some(ProofRefusal::Failed("odd".to_owned()))),
    ];
    let result = prop_oneof![
        4 => (0..5_usize).prop_map(Ok),
        1 => prop::sample::select(vec![
            BroadcastError::NoPeers,
            BroadcastError::Duplicate,
            BroadcastError::TooLarge,
            BroadcastError::QueuesFull,
            BroadcastError::NotSubscribed,
        ])
        .prop_map(Err),
    ];
    let outcome = prop_oneof![
        4 => Just(ProofOutcome::Valid),
        1 => prop::sample::select(vec![ProofOutcome::Invalid, ProofOutcome::Failed, ProofOutcome::Shed]),
    ];
    prop_oneof![
        8 => (0..PAYLOADS, any::<bool>(), skew, size).prop_map(|(payload, own_proof, skew_secs, size)| {
            Step::Publish { payload, own_proof, skew_secs, size }
        }),
        8 => (any::<usize>(), prop::bool::weighted(0.2), refusal)
            .prop_map(|(ticket, reuse_id, refusal)| Step::Proved { ticket, reuse_id, refusal }),
        8 => (any::<usize>(), result).prop_map(|(ticket, result)| Step::Broadcasted { ticket, result }),
        6 => (any::<usize>(), outcome).prop_map(|(job, outcome)| Step::Checked { job, outcome }),
        3 => (0..3000_u64).prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Resubscribe),
        1 => prop::bool::weighted(0.2).prop_map(|drain| if drain { Step::Drain } else { Step::Pass { millis: 1 } }),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Sent,
    Answered,
}

struct Model {
    rig: Rig,
    tickets: Vec<Ticket>,
    payloads: BTreeMap<Ticket, usize>,
    phases: BTreeMap<Ticket, Phase>,
    jobs: Vec<JobId>,
    lines: BTreeMap<weir_rln::Nullifier, weir_rln::ShareX>,
    draining: bool,
}

impl Model {
    fn new() -> Self {
        let mut rig = Rig::new(Config { max_publishes: MAX_PUBLISHES, ..rln_config() });
        rig.give(Input::Roots(vec![member().root]));
        Self {
            rig,
            tickets: Vec::new(),
            payloads: BTreeMap::new(),
            phases: BTreeMap::new(),
            jobs: Vec::new(),
            lines: BTreeMap::new(),
            draining: false,
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Publish { payload, own_proof, skew_secs, size } => {
                self.publish(payload, own_proof, skew_secs, size);
            }
            Step::Proved { ticket, reuse_id, refusal } => {
                let Some(ticket) = pick(&self.tickets, ticket) else { return };
                let message = &PROVEN[self.payloads[&ticket]][usize::from(reuse_id)];
                let proof = message.proof.as_proof().expect("proven").clone();
                let result = refusal.map_or(Ok(proof), Err);
                let effects = self.rig.give(Input::Proved { ticket, result });
                self.observe(&effects, None);
            }
            Step::Broadcasted { ticket, result } => {
                let Some(ticket) = pick(&self.tickets, ticket) else { return };
                let effects = self.rig.broadcasted(ticket, result);
                self.observe(&effects, Some((ticket, result)));
            }
            Step::Checked { job, outcome } => {
                let Some(job) = pick(&self.jobs, job) else { return };
                let effects = self.rig.checked(job, outcome);
                self.observe(&effects, None);
            }
            Step::Pass { millis } => {
                let effects = self.rig.pass(millis);
                self.observe(&effects, None);
            }
            Step::Resubscribe => {
                if !self.rig.relay.unsubscribe(topic()) {
                    assert_eq!(self.rig.relay.subscribe(topic()), Ok(true));
                }
            }
            Step::Drain => {
                let effects = self.rig.drain();
                self.draining = true;
                self.observe(&effects, None);
            }
        }
        let open = self.phases.values().filter(|phase| **phase != Phase::Answered).count();
        assert_eq!(self.rig.relay.in_flight().publishes, open);
        assert!(open <= MAX_PUBLISHES);
    }

    fn publish(&mut self, payload: usize, own_proof: bool, skew_secs: i64, size: usize) {
        let mut message = PROVEN[payload][0].clone();
        message.timestamp = Timestamp::from_secs(message.timestamp.as_secs() + skew_secs);
        if !own_proof {
            message.proof = weir_core::ProofField::Absent;
        }
        let ticket = Ticket(self.rig.next_id);
        self.tickets.push(ticket);
        self.payloads.insert(ticket, payload);
        self.phases.insert(ticket, Phase::Open);
        let (_, effects) = self.rig.publish_of_size(message, size);
        if self.draining {
            assert!(answers(&effects).contains(&(ticket, Err(PublishError::Stopping))));
        }
        self.observe(&effects, None);
    }

    /// Books effects. `outcome` is the network's word the effects follow from, if they do.
    fn observe(&mut self, effects: &[Effect], outcome: Option<(Ticket, Result<usize, BroadcastError>)>) {
        let mut deliveries = 0;
        for effect in effects {
            match effect {
                Effect::VerifyProof { id, .. } => self.jobs.push(*id),
                Effect::Broadcast { ticket, message, .. } => {
                    let phase = self.phases.insert(*ticket, Phase::Sent);
                    assert_eq!(phase, Some(Phase::Open), "sent twice or after the answer");
                    let claim = claim_of(message);
                    let x = self.lines.insert(claim.nullifier(), claim.share().x);
                    assert_eq!(x, None, "two messages were sent under one message id");
                }
                Effect::Answer { ticket, result } => self.observe_answer(*ticket, result, outcome),
                Effect::Deliver(accepted) => {
                    deliveries += 1;
                    assert_eq!(accepted.origin(), &Origin::Local);
                    let sent = matches!(outcome, Some((_, Ok(_) | Err(BroadcastError::NoPeers))));
                    assert!(sent, "delivered without having been sent");
                }
                Effect::Verdict { .. } => panic!("nobody gossips"),
                Effect::Prove { .. }
                | Effect::RecordNullifier { .. }
                | Effect::RecordEvidence(_)
                | Effect::RefreshRoots => {}
            }
        }
        let successes = answers(effects).into_iter().filter(|(_, result)| result.is_ok()).count();
        let repeated = matches!(outcome, Some((_, Err(BroadcastError::Duplicate))));
        assert_eq!(deliveries, if repeated { 0 } else { successes });
    }

    fn observe_answer(
        &mut self,
        ticket: Ticket,
        result: &Result<Published, PublishError>,
        outcome: Option<(Ticket, Result<usize, BroadcastError>)>,
    ) {
        let phase = self.phases.insert(ticket, Phase::Answered).expect("a ticket of ours");
        assert_ne!(phase, Phase::Answered, "answered twice");
        if let Ok(published) = result {
            assert_eq!(phase, Phase::Sent);
            let (told, network) = outcome.expect("success is the network's word");
            assert_eq!((told, network.unwrap_or(0)), (ticket, published.peers));
        }
    }
}

fn pick<T: Copy>(items: &[T], number: usize) -> Option<T> {
    (!items.is_empty()).then(|| items[number % items.len()])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_publish_is_answered_once_and_nothing_is_sent_after(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut model = Model::new();
        steps.into_iter().for_each(|step| model.run(step));
        model.run(Step::Pass { millis: 5000 });
        prop_assert!(model.phases.values().all(|phase| *phase == Phase::Answered));
        prop_assert_eq!(model.rig.relay.in_flight(), InFlight::default());
        prop_assert!(model.rig.relay.is_idle());
    }
}
