//! The rounds in which all engines take turns.

use std::collections::BTreeMap;

use rayon::ThreadPoolBuilder;
use weir_rln::Threads;

use crate::{
    Contestant, Engine, EngineError, Machine, Message, Outcome, Proven, Report, StartSettings, Task, Timed,
    Workload,
    clock::{Elapsed, timed},
    engine::Oracle,
    report::{EngineReport, Figure},
    samples::Samples,
};

/// How much is measured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Rounds that count; one more comes before them.
    pub iterations: u32,
    /// Threads of rayon, which the `rln` crates use. Of weir, a proof takes two threads at most and
    /// everything else the one that calls it.
    pub threads: usize,
    /// Sizes of batches.
    pub batches: Vec<u32>,
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// An engine could not do what it was asked.
    #[error("{engine}: {source}")]
    Engine {
        /// Which one.
        engine: &'static str,
        /// Why not.
        source: EngineError,
    },
    /// The workload could not be made.
    #[error("the work to be measured could not be made: {0}")]
    Workload(#[source] EngineError),
    /// There is no engine of this name.
    #[error("there is no engine named {0}")]
    UnknownEngine(String),
    /// The threads could not be had.
    #[error("cannot start the threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// An engine made a proof that does not hold, or found one that holds not to.
    #[error("{engine} gave a wrong answer to {task:?}; its figures mean nothing")]
    WrongAnswer {
        /// Which one.
        engine: &'static str,
        /// To what.
        task: Task,
    },
}

/// Compares `contestants`, of which the first is ours, on all tasks.
pub fn compare(contestants: &[Contestant], settings: &Settings) -> Result<Report, CompareError> {
    // Everything happens inside of one pool, so that no library starts another one.
    let pool = ThreadPoolBuilder::new().num_threads(settings.threads).build()?;
    let threads = if settings.threads > 1 { Threads::Two } else { Threads::One };
    let start = StartSettings { threads, ..StartSettings::default() };
    pool.install(|| {
        let mut rivals = Vec::new();
        for contestant in contestants {
            let engine = (contestant.start)(&start).map_err(in_engine(contestant.name))?;
            rivals.push(Rival { contestant: *contestant, engine, samples: BTreeMap::new() });
        }
        let mut judge = Judge::new()?;
        if let Some(ours) = rivals.first_mut() {
            judge.collect_proofs(ours, settings)?;
        }
        for round in 0..=settings.iterations {
            for task in tasks(settings) {
                for turn in 0..task.repeats() {
                    let message = message(round, task, turn);
                    // Whoever comes first finds colder caches, so everyone does in turn.
                    let first = (round + turn) as usize;
                    for position in 0..rivals.len() {
                        let count = rivals.len();
                        rivals[(first + position) % count].take_turn(task, message, round > 0, &mut judge)?;
                    }
                }
            }
        }
        Ok(Report {
            machine: Machine::here(),
            iterations: settings.iterations,
            threads: settings.threads,
            engines: rivals.into_iter().map(Rival::into_report).collect(),
            footprints: Vec::new(),
        })
    })
}

/// What is measured, in the order of the report.
fn tasks(settings: &Settings) -> impl Iterator<Item = Task> {
    let proving =
        [Task::ProveFull, Task::PrepareMember, Task::ProveCached, Task::PrepareSlot, Task::ProveSlot];
    let verifying = [Task::VerifySingle, Task::VerifyParsed];
    let trees = [Task::TreeBuild, Task::TreeUpdate, Task::TreePath];
    let batches = settings.batches.iter().map(|size| Task::VerifyBatch(*size));
    proving.into_iter().chain(verifying).chain(batches).chain(trees)
}

impl Task {
    /// Turns of a round. What takes a millisecond is measured more often than what takes a third of a
    /// second.
    fn repeats(self) -> u32 {
        match self {
            Self::VerifySingle | Self::VerifyParsed | Self::TreeUpdate | Self::TreePath => 4,
            _ => 1,
        }
    }
}

/// A message that no other round, task or turn has: its epoch is of the round and task, its id of the
/// turn. A proof under an id that was used before would reveal the secret, and could be remembered.
fn message(round: u32, task: Task, turn: u32) -> Message {
    let task = match task {
        Task::VerifyBatch(size) => 100 + u64::from(size),
        Task::ProveFull => 1,
        Task::ProveCached => 2,
        // A slot is prepared for the message that then comes.
        Task::PrepareSlot | Task::ProveSlot => 3,
        _ => 0,
    };
    let mut signal = [0; 32];
    signal[..4].copy_from_slice(&round.to_le_bytes());
    signal[8..16].copy_from_slice(&task.to_le_bytes());
    // The highest byte of a canonical element is below 0x30.
    signal[24..30].copy_from_slice(b"signal");
    Message {
        epoch: u64::from(round) << 16 | task,
        message_id: round.wrapping_mul(4).wrapping_add(turn) & 0x7fff,
        signal,
    }
}

/// An engine with what was measured of it.
struct Rival {
    contestant: Contestant,
    engine: Box<dyn Engine>,
    samples: BTreeMap<Figure, Samples>,
}

impl Rival {
    fn take_turn(
        &mut self,
        task: Task,
        message: Message,
        counts: bool,
        judge: &mut Judge,
    ) -> Result<(), CompareError> {
        let Some((outcome, elapsed)) = self.run(task, &judge.workload, message)? else { return Ok(()) };
        if !judge.is_right(task, message, &outcome)? {
            return Err(CompareError::WrongAnswer { engine: self.contestant.name, task });
        }
        if counts {
            self.samples.entry(Figure::Task(task)).or_default().push(elapsed);
        }
        Ok(())
    }

    /// What came of `task` and how long one unit of it took.
    fn run(
        &mut self,
        task: Task,
        workload: &Workload,
        message: Message,
    ) -> Result<Option<(Outcome, Elapsed)>, CompareError> {
        let in_engine = in_engine(self.contestant.name);
        let prepared = self.engine.prepare(task, workload, message).map_err(&in_engine)?;
        let Some(Timed { units, work }) = prepared else { return Ok(None) };
        let (outcome, elapsed) = timed(work);
        Ok(Some((outcome.map_err(in_engine)?, elapsed.per(units))))
    }

    fn into_report(self) -> EngineReport {
        EngineReport::new(self.contestant, self.engine.as_ref(), &self.samples)
    }
}

/// Knows the right answers, from the crate `rln` 3.0.0.
struct Judge {
    workload: Workload,
    oracle: Oracle,
    /// The root of the tree after the last task that told one; all engines must tell the same.
    root: Option<(Task, Message, [u8; 32])>,
}

impl Judge {
    fn new() -> Result<Self, CompareError> {
        Ok(Self {
            workload: Workload::new().map_err(CompareError::Workload)?,
            oracle: Oracle::load(),
            root: None,
        })
    }

    /// Makes as many proofs as the largest batch has. With our engine, since it is quicker.
    fn collect_proofs(&mut self, maker: &mut Rival, settings: &Settings) -> Result<(), CompareError> {
        let task = Task::ProveCached;
        let largest = settings.batches.iter().copied().max().unwrap_or(1).max(1);
        for number in 0..largest {
            let mut signal = [0; 32];
            signal[..4].copy_from_slice(&number.to_le_bytes());
            signal[24..30].copy_from_slice(b"signal");
            let message = Message { epoch: 1 << 40, message_id: number, signal };
            let made = match maker.run(task, &self.workload, message)? {
                Some((Outcome::Proof(proof), _)) => self.check(&proof, message)?,
                _ => None,
            };
            let wrong = CompareError::WrongAnswer { engine: maker.contestant.name, task };
            self.workload.proofs.push(made.ok_or(wrong)?);
        }
        Ok(())
    }

    fn is_right(&mut self, task: Task, message: Message, outcome: &Outcome) -> Result<bool, CompareError> {
        match outcome {
            Outcome::Proof(proof) => Ok(self.check(proof, message)?.is_some()),
            Outcome::Verdict(holds) => Ok(*holds),
            Outcome::Root(root) => {
                let same =
                    self.root.is_none_or(|(of, at, known)| (of, at) != (task, message) || known == *root);
                self.root = Some((task, message, *root));
                Ok(same)
            }
            Outcome::Prepared => Ok(true),
        }
    }

    /// The proof, if it holds and is of this message.
    fn check(
        &self,
        proof: &weir_core::RateLimitProof,
        message: Message,
    ) -> Result<Option<Proven>, CompareError> {
        let proven = Proven::parse(proof).map_err(CompareError::Workload)?;
        let [_, _, _, x, external_nullifier] = proven.inputs;
        let is_of_message = x == message.x() && external_nullifier == message.external_nullifier();
        Ok((is_of_message && self.oracle.holds(&proven)).then_some(proven))
    }
}

fn in_engine(engine: &'static str) -> impl Fn(EngineError) -> CompareError {
    move |source| CompareError::Engine { engine, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_messages_of_a_measurement_are_the_same_but_a_slots() {
        let settings = Settings { iterations: 3, threads: 1, batches: vec![8] };
        let mut proven = std::collections::BTreeSet::new();
        for round in 0..=settings.iterations {
            for task in [Task::ProveFull, Task::ProveCached, Task::ProveSlot] {
                let Message { epoch, message_id, .. } = message(round, task, 0);
                assert!(proven.insert((epoch, message_id)), "{round} {task:?}");
            }
        }
        assert_eq!(message(2, Task::PrepareSlot, 0), message(2, Task::ProveSlot, 0));
        assert!(
            weir_rln::ShareX::from_bytes(&message(u32::MAX, Task::VerifyBatch(u32::MAX), 3).signal).is_ok()
        );
    }

    #[test]
    fn every_figure_of_the_comparison_is_measured_and_right() {
        let settings = Settings { iterations: 1, threads: 1, batches: vec![2] };
        let report = compare(&[crate::WEIR, crate::RLN_3], &settings).expect("both engines work");
        let [weir, rln_3] = &report.engines[..] else { panic!("two engines") };
        for task in tasks(&settings) {
            let figure = Figure::Task(task);
            assert!(rln_3.median_ms(figure).is_some(), "{task:?}");
            assert_eq!(weir.median_ms(figure).is_some(), task != Task::VerifyParsed, "{task:?}");
        }
        assert_eq!(weir.figures[&Figure::Task(Task::VerifySingle)].samples, 4);
    }
}
