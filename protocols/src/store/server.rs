//! The serving side: whose query runs next.
//!
//! ```text
//!           buckets, bounds        slots, in turn           page found        written, or the peer gone
//!  Asked ───────┬──────▶ waiting ────────────────▶ running ────────────▶ sending ──────────▶ forgotten
//!               └──────────┴───── Refused ◀───────────┴── late, failed ──────┘ no room
//! ```
//!
//! # Invariants
//! Every request that was asked is answered or abandoned, once. Nothing but a request that has passed the
//! buckets costs more than a look at it.
//!
//! # Security
//! - Slots and room for answers are shared ([`FairShare`]): a peer may hold as much as it leaves free, so of
//!   four slots one peer gets two, and a newcomer finds one. Peers take turns.
//! - A peer's requests wait in a line of [`MAX_WAITING_OF_A_PEER`], all of them in [`MAX_WAITING`]; at
//!   256 KiB each, the longest frame, they are 64 MiB, and an honest one has less than 1 KiB.
//! - Answers wait for their peers to read them. Together they take [`ANSWER_ROOM`] at most.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use weir_core::{
    PeerId, Timestamp,
    store::{MAX_CONTENT_TOPICS, MAX_HASHES, Query},
};

use super::Refused;
use crate::{
    fair_share::{FairShare, NoRoom},
    rate_limit::{RateLimit, ServiceQuota},
};

/// From a request to its answer, waiting and all. Clients of live nodes wait for 5 to 20 s.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long an answer may be on its way; the network's own limit on the whole request is 60 s.
const SENT_WITHIN: Duration = Duration::from_secs(60);

/// Requests of one peer that wait for a slot. A client that fetches several topics at once has a handful.
pub const MAX_WAITING_OF_A_PEER: usize = 8;

/// Requests that wait for a slot: what four slots get through in a second when a query takes 15 ms.
pub const MAX_WAITING: usize = 256;

/// Bytes of answers that wait to be read: four pages of 100 of the largest messages (15 MB each).
pub const ANSWER_ROOM: usize = 64 * 1024 * 1024;

/// What the server is told once.
#[derive(Debug, Clone, Copy)]
pub struct ServerConfig {
    /// How often peers may ask; none for no limit.
    pub limit: Option<RateLimit>,
    /// Queries that run at one time, at least 1: the threads that read the archive.
    pub slots: usize,
}

/// Names a request of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What a peer asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// For messages.
    Query(Box<Query>),
    /// For messages of topics that no message has.
    Nothing,
    /// What cannot be asked.
    Malformed(String),
    /// The bytes are no question.
    Undecodable(String),
}

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// A peer asked.
    Asked {
        /// Names the request.
        id: RequestId,
        /// Who.
        peer: PeerId,
        /// What.
        question: Question,
    },
    /// The archive found a page, which takes so many bytes.
    Found {
        /// The request.
        id: RequestId,
        /// Bytes of the answer.
        bytes: usize,
    },
    /// The archive found none.
    Failed {
        /// The request.
        id: RequestId,
        /// Why.
        failure: Failure,
    },
    /// Nobody waits for the answer any more, or the answer has been read to its end.
    Ended(RequestId),
    /// The node stops.
    Stop,
    /// The deadline has come.
    Tick,
}

/// Why the archive found no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It says why.
    Archive(String),
    /// It cannot be reached.
    Unavailable(String),
    /// Others of this node ask more than it can take.
    Busy,
    /// It took too long.
    TimedOut,
    /// It is closed.
    Closed,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask the archive.
    Run {
        /// The request.
        id: RequestId,
        /// What is asked.
        query: Box<Query>,
        /// When the answer is of no use any more.
        until: Timestamp,
    },
    /// Nobody waits for this page any more.
    Cancel(RequestId),
    /// Send the page that was found.
    SendPage(RequestId),
    /// Send an empty page.
    SendNothing(RequestId),
    /// Send a refusal.
    Refuse {
        /// The request.
        id: RequestId,
        /// Why.
        refused: Refused,
    },
}

/// The state machine.
#[derive(Debug)]
pub struct Server {
    quota: Option<ServiceQuota>,
    requests: BTreeMap<RequestId, Request>,
    /// Peers whose requests wait, in the order of their turns.
    turns: VecDeque<PeerId>,
    /// What waits, oldest first; each peer of `turns` has some and no other.
    waiting: BTreeMap<PeerId, VecDeque<RequestId>>,
    slots: FairShare<PeerId>,
    answers: FairShare<PeerId>,
    stopping: bool,
}

#[derive(Debug)]
struct Request {
    peer: PeerId,
    /// When it is let go of.
    until: Timestamp,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Waiting(Box<Query>),
    Running,
    Sending { bytes: usize },
}

impl Server {
    /// Without any request yet.
    pub fn new(config: ServerConfig, now: Timestamp) -> Self {
        // A peer may hold as much as it leaves free: with one slot alone nobody could hold any.
        let slots = config.slots.max(2);
        Self {
            quota: config.limit.map(|limit| ServiceQuota::new(limit, now)),
            requests: BTreeMap::new(),
            turns: VecDeque::new(),
            waiting: BTreeMap::new(),
            slots: FairShare::new(slots),
            answers: FairShare::new(ANSWER_ROOM),
            stopping: false,
        }
    }

    /// Takes one input and appends what to do about it.
    pub fn handle(&mut self, input: Input, now: Timestamp, effects: &mut Vec<Effect>) {
        match input {
            Input::Asked { id, peer, question } => self.asked(id, peer, question, now, effects),
            Input::Found { id, bytes } => self.found(id, bytes, now, effects),
            Input::Failed { id, failure } => self.failed(id, failure, effects),
            Input::Ended(id) => self.ended(id, effects),
            Input::Stop => self.stop(effects),
            Input::Tick => {}
        }
        self.expire(now, effects);
        self.fill_slots(effects);
    }

    /// When [`Input::Tick`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.requests.values().map(|request| request.until).min()
    }

    /// Requests that wait, and those that run.
    pub fn load(&self) -> (usize, usize) {
        (self.waiting_count(), self.slots.used())
    }

    fn asked(
        &mut self,
        id: RequestId,
        peer: PeerId,
        question: Question,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        match self.admit(&peer, question, now) {
            Ok(Some(query)) => {
                let line = self.waiting.entry(peer.clone()).or_default();
                if line.is_empty() {
                    self.turns.push_back(peer.clone());
                }
                line.push_back(id);
                let until = now.saturating_add(ANSWER_WITHIN);
                self.requests.insert(id, Request { peer, until, stage: Stage::Waiting(query) });
            }
            Ok(None) => effects.push(Effect::SendNothing(id)),
            Err(refused) => effects.push(Effect::Refuse { id, refused }),
        }
    }

    /// The query to run, if the answer is not known without. The cheapest reasons to refuse come first.
    fn admit(
        &mut self,
        peer: &PeerId,
        question: Question,
        now: Timestamp,
    ) -> Result<Option<Box<Query>>, Refused> {
        if self.stopping {
            return Err(Refused::Stopping);
        }
        if let Some(quota) = &mut self.quota {
            quota.take(peer, now)?;
        }
        let query = match question {
            Question::Query(query) => query,
            Question::Nothing => return Ok(None),
            Question::Malformed(why) => return Err(Refused::Malformed(why)),
            Question::Undecodable(why) => return Err(Refused::Undecodable(why)),
        };
        if query.content_topics.len() > MAX_CONTENT_TOPICS {
            return Err(Refused::TooManyContentTopics(query.content_topics.len()));
        }
        if query.hashes.len() > MAX_HASHES {
            return Err(Refused::TooManyHashes(query.hashes.len()));
        }
        if self.waiting.get(peer).is_some_and(|line| line.len() >= MAX_WAITING_OF_A_PEER) {
            return Err(Refused::PeerQueueFull);
        }
        if self.waiting_count() >= MAX_WAITING {
            return Err(Refused::QueueFull);
        }
        Ok(Some(query))
    }

    fn found(&mut self, id: RequestId, bytes: usize, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(request) = self.requests.get_mut(&id).filter(|request| request.is_running()) else { return };
        self.slots.give_back(&request.peer, 1);
        match self.answers.take(&request.peer, bytes) {
            Ok(()) => {
                request.stage = Stage::Sending { bytes };
                request.until = now.saturating_add(SENT_WITHIN);
                effects.push(Effect::SendPage(id));
            }
            Err(NoRoom::ShareUsed | NoRoom::Full) => {
                self.requests.remove(&id);
                effects.push(Effect::Refuse { id, refused: Refused::NoRoom });
            }
        }
    }

    fn failed(&mut self, id: RequestId, failure: Failure, effects: &mut Vec<Effect>) {
        let Some(request) = self.requests.get(&id).filter(|request| request.is_running()) else { return };
        self.slots.give_back(&request.peer, 1);
        self.requests.remove(&id);
        let refused = match failure {
            Failure::Archive(why) => Refused::Archive(why),
            Failure::Unavailable(why) => Refused::Unavailable(why),
            Failure::Busy => Refused::QueueFull,
            Failure::TimedOut => Refused::TimedOut,
            Failure::Closed => Refused::Stopping,
        };
        effects.push(Effect::Refuse { id, refused });
    }

    /// Lets go of a request, in whatever stage it is.
    fn ended(&mut self, id: RequestId, effects: &mut Vec<Effect>) {
        let Some(request) = self.requests.remove(&id) else { return };
        match request.stage {
            Stage::Waiting(_) => self.leave_line(&request.peer, id),
            Stage::Running => {
                self.slots.give_back(&request.peer, 1);
                effects.push(Effect::Cancel(id));
            }
            Stage::Sending { bytes } => self.answers.give_back(&request.peer, bytes),
        }
    }

    fn stop(&mut self, effects: &mut Vec<Effect>) {
        self.stopping = true;
        let owed = self.those(Request::is_owed);
        self.end_all(owed, &Refused::Stopping, effects);
    }

    fn expire(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let late = self.those(|request| request.until <= now);
        self.end_all(late, &Refused::TimedOut, effects);
    }

    fn those(&self, which: impl Fn(&Request) -> bool) -> Vec<RequestId> {
        self.requests.iter().filter(|(_, request)| which(request)).map(|(id, _)| *id).collect()
    }

    /// Lets go of requests, and refuses those without an answer.
    fn end_all(&mut self, requests: Vec<RequestId>, refused: &Refused, effects: &mut Vec<Effect>) {
        for id in requests {
            let owed = self.requests.get(&id).is_some_and(Request::is_owed);
            self.ended(id, effects);
            if owed {
                effects.push(Effect::Refuse { id, refused: refused.clone() });
            }
        }
    }

    /// Gives free slots to those whose turn it is.
    fn fill_slots(&mut self, effects: &mut Vec<Effect>) {
        // Until all have been passed over: who has its share already keeps its turn for later.
        let mut passed_over = 0;
        while passed_over < self.turns.len() {
            let Some(peer) = self.turns.pop_front() else { return };
            match self.slots.take(&peer, 1) {
                Ok(()) => {
                    self.run_next_of(peer, effects);
                    passed_over = 0;
                }
                Err(NoRoom::ShareUsed) => {
                    self.turns.push_back(peer);
                    passed_over += 1;
                }
                Err(NoRoom::Full) => {
                    self.turns.push_front(peer);
                    return;
                }
            }
        }
    }

    fn run_next_of(&mut self, peer: PeerId, effects: &mut Vec<Effect>) {
        let line = self.waiting.get_mut(&peer).expect("a peer with a turn has a line");
        let id = line.pop_front().expect("a line is never empty");
        if line.is_empty() {
            self.waiting.remove(&peer);
        } else {
            self.turns.push_back(peer);
        }
        let request = self.requests.get_mut(&id).expect("what waits in a line is a request");
        let Stage::Waiting(query) = std::mem::replace(&mut request.stage, Stage::Running) else {
            unreachable!("what waits in a line does not run")
        };
        effects.push(Effect::Run { id, query, until: request.until });
    }

    fn leave_line(&mut self, peer: &PeerId, id: RequestId) {
        let Some(line) = self.waiting.get_mut(peer) else { return };
        line.retain(|waiting| *waiting != id);
        if line.is_empty() {
            self.waiting.remove(peer);
            self.turns.retain(|other| other != peer);
        }
    }

    fn waiting_count(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }
}

impl Request {
    const fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running)
    }

    /// Whether there is no answer yet.
    const fn is_owed(&self) -> bool {
        !matches!(self.stage, Stage::Sending { .. })
    }
}
