//! `relay-attack`: what honest messages feel while peers send proofs that do not hold.
//!
//! ```text
//! honest peer ──> node 0 ══ node 1 ──> when it came out
//! attackers ───────┘
//! ```
//!
//! An attacker's message passes every check but the last and most expensive one. Attackers send until
//! the node closes their connections, and do not come back: the node denies them for ten minutes.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval, sleep};
use weir_core::{ProofField, RateLimitProof};
use weir_wire::decode_message;

use crate::{
    course::{self, Outcome, Pace},
    gossip::{Peer, PeerError, Seen, connect_all},
    load::{Counters, Fleet, NodeCost},
    relay_rln::{BenchError, pass},
    signed::{SignError, Signer},
};

/// Send honest messages through two nodes while attackers flood the first one.
#[derive(Debug, Clone, Parser)]
#[command(name = "relay-attack", version)]
pub struct Arguments {
    /// The node to start
    #[arg(long, value_name = "PATH")]
    pub weir: PathBuf,
    /// Peers that attack together; a run for each number
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_values_t = [1, 10])]
    pub attackers: Vec<u32>,
    /// Invalid proofs a second, of all attackers together
    #[arg(long, value_name = "NUMBER", default_value_t = 5000.0)]
    pub attack_rate: f64,
    /// Honest messages before the attack, and again during it
    #[arg(long, value_name = "NUMBER", default_value_t = 400)]
    pub messages: usize,
    /// Honest messages a second
    #[arg(long, value_name = "NUMBER", default_value_t = 40.0)]
    pub rate: f64,
    /// Bytes of a payload, honest or not
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    pub size: usize,
    /// Pass this to every node (repeatable), as in --node-arg=--log-level=DEBUG
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub node_arg: Vec<String>,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    runs: Vec<Run>,
}

/// What was found with one number of attackers.
#[derive(Debug, Serialize)]
struct Run {
    attackers: u32,
    attack_rate: f64,
    /// Honest messages before the attack.
    honest_before: Outcome,
    /// Honest messages from the moment the attack began, until after it has ended.
    honest_during: Outcome,
    /// What became of each attacker.
    attacks: Vec<Attack>,
    /// From the first invalid proof until the last attacker was cut off; none when one was not.
    all_gone_after_ms: Option<f64>,
    /// What the attack cost the nodes.
    node_costs: Vec<NodeCost>,
    /// What the attack added to each node's counters.
    counters: Vec<Counters>,
}

/// What became of one attacker.
#[derive(Debug, Clone, Serialize)]
struct Attack {
    /// Invalid proofs it could send.
    sent: u64,
    /// From its first one until the node cut it off.
    gone_after_ms: Option<f64>,
}

/// As in `relay-rln`: the time in which nodes notice a member.
const REGISTRY_PAUSE: Duration = Duration::from_secs(2);
/// How often an attacker sends what is due. Shorter than what is measured.
const TICK: Duration = Duration::from_millis(2);

/// Does what the arguments say.
pub async fn run(arguments: &Arguments) -> Result<Report, BenchError> {
    let mut runs = Vec::new();
    for attackers in &arguments.attackers {
        runs.push(attack(arguments, *attackers).await?);
    }
    Ok(Report { runs })
}

async fn attack(arguments: &Arguments, attackers: u32) -> Result<Run, BenchError> {
    let fleet = Fleet::start_rln(&arguments.weir, 2, &arguments.node_arg).await?;
    let mut signer = Signer::register(&fleet.registry())?;
    let topic = fleet.subscribe().await?;
    let addresses = fleet.addresses();
    let ends = [addresses[0], addresses[1]];
    sleep(REGISTRY_PAUSE).await;

    let pace = Pace::Rate(arguments.rate);
    let batch = signer.make(arguments.messages, arguments.size)?;
    let genuine = proof_of(batch.messages.first())?;
    let honest_before = pass(ends, topic, &signer, &batch, pace).await?;

    let batch = signer.make(arguments.messages, arguments.size)?;
    // Attackers do not wait for the honest peer's messages to be in time.
    sleep(batch.due_in()).await;
    let signer = Arc::new(signer);
    let rate = arguments.attack_rate / f64::from(attackers.max(1));
    let mut addresses = ends.to_vec();
    addresses.resize(ends.len() + attackers as usize, ends[0]);
    let mut peers = connect_all(&addresses, topic).await?;
    let attacking = peers.split_off(ends.len());
    let plan = |number: usize| Flood {
        signer: Arc::clone(&signer),
        genuine: genuine.clone(),
        size: arguments.size,
        rate,
        // Far from the numbers of another attacker.
        first: (number as u64) << 32,
        lasts: Duration::from_secs_f64(arguments.messages as f64 / arguments.rate.max(0.1)),
    };
    let (before, counters) = (fleet.observe()?, fleet.counters().await?);
    let flood = |(number, peer)| tokio::spawn(plan(number).send_until_cut_off(peer));
    let floods: Vec<_> = attacking.into_iter().enumerate().map(flood).collect();
    let [entrance, exit] = &mut peers[..] else { return Err(PeerError::NotConnected.into()) };
    let honest_during = course::run(entrance, exit, &signer, &batch, pace).await;
    let mut attacks = Vec::new();
    for flood in floods {
        // A task that panicked has no report; the count then tells.
        attacks.extend(flood.await.ok());
    }
    let gone: Option<Vec<f64>> = attacks.iter().map(|attack| attack.gone_after_ms).collect();
    Ok(Run {
        attackers,
        attack_rate: arguments.attack_rate,
        all_gone_after_ms: gone.and_then(|gone| gone.into_iter().reduce(f64::max)),
        node_costs: fleet.run_costs(&before, honest_during.delivered as u64)?,
        counters: fleet.counter_changes(&counters).await?,
        honest_before,
        honest_during,
        attacks,
    })
}

/// What one attacker does.
struct Flood {
    signer: Arc<Signer>,
    genuine: RateLimitProof,
    size: usize,
    rate: f64,
    first: u64,
    lasts: Duration,
}

impl Flood {
    async fn send_until_cut_off(self, mut peer: Peer) -> Attack {
        let start = Instant::now();
        let mut attack = Attack { sent: 0, gone_after_ms: None };
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while start.elapsed() < self.lasts {
            tokio::select! {
                seen = peer.next() => if matches!(seen, Seen::Left) {
                    attack.gone_after_ms = Some(start.elapsed().as_secs_f64() * 1e3);
                    return attack;
                },
                _ = tick.tick() => {
                    let due = (start.elapsed().as_secs_f64() * self.rate) as u64;
                    while attack.sent < due {
                        let message = self.signer.forge(&self.genuine, self.size, self.first + attack.sent);
                        // A full queue: what is due now is sent at the next tick.
                        if peer.publish(message).is_err() {
                            break;
                        }
                        attack.sent += 1;
                    }
                }
            }
        }
        attack
    }
}

fn proof_of(message: Option<&bytes::Bytes>) -> Result<RateLimitProof, SignError> {
    let none = SignError::Setting("an attack needs at least one honest message");
    match message.and_then(|message| decode_message(message).ok()).map(|message| message.proof) {
        Some(ProofField::Present(proof)) => Ok(*proof),
        _ => Err(none),
    }
}
