//! Fetching what passed while the node was away, from one store peer or another (waku-wire 8.6).
//!
//! ```text
//!            ┌───────────── no peer yet ─────────────┐
//!  Finding ──┴──▶ Asking ──▶ Keeping ──▶ Asking …    │      last page kept ──▶ Finished(Complete)
//!     ▲             └── failed: the next peer goes on where the one before stopped
//!     └── Resting ◀── nobody left ── third time ──▶ Finished(GaveUp)
//! ```
//!
//! The next page is asked for when the one before is kept, so memory holds one page and a slow disk slows the
//! fetching. A peer that takes over is not asked by cursor, which it may not have, but from the time of the
//! last message on; what comes twice is kept once.
//!
//! # Security
//! Pages are checked ([`check_page`]) and have to lead on in time, so a peer cannot lead in circles; one that
//! invents messages is stopped at [`MAX_FETCHED`].

use std::{collections::VecDeque, time::Duration};

use weir_core::{
    ClusterId, MessageHash, PeerAddress, Timestamp,
    store::{Direction, Page, PageSize, Query, StoredMessage},
};

use super::check_page;

/// How often all peers are tried.
pub const ATTEMPTS: u32 = 3;

/// Between attempts, and how long an attempt waits for a store peer to be there.
const PAUSE: Duration = Duration::from_secs(30);

/// How often it is looked for a store peer while there is none.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is further back is not fetched.
const FURTHEST: Duration = Duration::from_secs(6 * 60 * 60);

/// Fetched from before the node was last known to be online: as far as a message's timestamp may be from the
/// clock, since one that was sent then may have a timestamp before.
const MARGIN: Duration = Duration::from_secs(20);

/// Peers tried in one attempt, as many as nwaku tries for a query.
const MAX_PEERS: usize = 5;

/// Messages fetched by one resume: some 90 a second for six hours.
const MAX_FETCHED: u64 = 2_000_000;

/// Something that happened.
#[derive(Debug)]
pub enum ResumeInput {
    /// These peers serve store queries.
    Peers(Vec<PeerAddress>),
    /// The peer that was asked answered, or why not.
    Answered(Result<Page, String>),
    /// The messages are kept, or why not.
    Kept(Result<(), String>),
    /// The deadline has come.
    Tick,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResumeEffect {
    /// Tell which peers serve store queries.
    FindPeers,
    /// Ask a peer.
    Ask {
        /// Whom.
        peer: PeerAddress,
        /// What.
        query: Box<Query>,
    },
    /// Keep these messages.
    Keep(Vec<StoredMessage>),
    /// There is nothing more to do.
    Finished(Outcome),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything the peer has was fetched.
    Complete {
        /// Messages fetched, known or not.
        fetched: u64,
    },
    /// Some may be missing.
    GaveUp {
        /// Messages fetched until then.
        fetched: u64,
        /// What went wrong last.
        why: String,
    },
}

/// The state machine.
#[derive(Debug)]
pub struct Resume {
    cluster: ClusterId,
    from: Timestamp,
    to: Timestamp,
    state: State,
    attempt: u32,
    /// The place of the last message fetched.
    last: Option<(Timestamp, MessageHash)>,
    fetched: u64,
    why: String,
}

#[derive(Debug)]
enum State {
    /// Peers are looked for.
    Finding {
        give_up_at: Timestamp,
    },
    /// There was none.
    Looking {
        again_at: Timestamp,
        give_up_at: Timestamp,
    },
    /// `peer` was asked; the others are next.
    Asking {
        peer: PeerAddress,
        query: Box<Query>,
        others: VecDeque<PeerAddress>,
    },
    /// What `peer` answered is being kept.
    Keeping {
        peer: PeerAddress,
        next: Option<MessageHash>,
        others: VecDeque<PeerAddress>,
    },
    /// Nobody could be asked to the end.
    Resting {
        until: Timestamp,
    },
    Finished,
}

impl Resume {
    /// Of a node that was online at `last_online` for the last time, if ever.
    pub fn new(
        cluster: ClusterId,
        last_online: Option<Timestamp>,
        now: Timestamp,
        effects: &mut Vec<ResumeEffect>,
    ) -> Self {
        let furthest = now.saturating_sub(FURTHEST);
        let from = last_online.map_or(furthest, |online| online.saturating_sub(MARGIN).max(furthest));
        effects.push(ResumeEffect::FindPeers);
        Self {
            cluster,
            from,
            to: now,
            state: State::Finding { give_up_at: now.saturating_add(PAUSE) },
            attempt: 1,
            last: None,
            fetched: 0,
            why: "no store peer is known".to_owned(),
        }
    }

    /// Takes one input and appends what to do about it.
    pub fn handle(&mut self, input: ResumeInput, now: Timestamp, effects: &mut Vec<ResumeEffect>) {
        // An input that does not fit the state is late, and changes nothing.
        match (std::mem::replace(&mut self.state, State::Finished), input) {
            (State::Finding { give_up_at }, ResumeInput::Peers(peers)) => {
                let others: VecDeque<_> = peers.into_iter().take(MAX_PEERS).collect();
                if others.is_empty() {
                    self.look_again(give_up_at, now, effects);
                } else {
                    self.ask_next(others, now, effects);
                }
            }
            (State::Looking { again_at, give_up_at }, ResumeInput::Tick) if again_at <= now => {
                self.find(give_up_at, effects);
            }
            (State::Asking { peer, query, others }, ResumeInput::Answered(answer)) => {
                match answer.and_then(|page| self.accept(&query, page)) {
                    Ok((messages, next)) => {
                        self.state = State::Keeping { peer, next, others };
                        effects.push(ResumeEffect::Keep(messages));
                    }
                    Err(why) => {
                        self.why = format!("{}: {why}", peer.peer());
                        self.ask_next(others, now, effects);
                    }
                }
            }
            (State::Keeping { .. }, ResumeInput::Kept(Err(why))) => {
                self.why = why;
                self.attempt_failed(now, effects);
            }
            (State::Keeping { next: None, .. }, ResumeInput::Kept(Ok(()))) => {
                effects.push(ResumeEffect::Finished(Outcome::Complete { fetched: self.fetched }));
            }
            (State::Keeping { .. }, ResumeInput::Kept(Ok(()))) if self.fetched >= MAX_FETCHED => {
                self.why = format!("there are more than {MAX_FETCHED} messages");
                self.give_up(effects);
            }
            (State::Keeping { peer, next, others }, ResumeInput::Kept(Ok(()))) => {
                self.ask(peer, next, others, effects);
            }
            (State::Resting { until }, ResumeInput::Tick) if until <= now => {
                self.find(now.saturating_add(PAUSE), effects);
            }
            (unchanged, _) => self.state = unchanged,
        }
    }

    /// When [`ResumeInput::Tick`] is due at the latest.
    pub const fn next_deadline(&self) -> Option<Timestamp> {
        match &self.state {
            State::Looking { again_at: at, .. } | State::Resting { until: at } => Some(*at),
            State::Finding { .. } | State::Asking { .. } | State::Keeping { .. } | State::Finished => None,
        }
    }

    /// From when on messages are fetched.
    pub const fn from(&self) -> Timestamp {
        self.from
    }

    fn find(&mut self, give_up_at: Timestamp, effects: &mut Vec<ResumeEffect>) {
        self.state = State::Finding { give_up_at };
        effects.push(ResumeEffect::FindPeers);
    }

    fn look_again(&mut self, give_up_at: Timestamp, now: Timestamp, effects: &mut Vec<ResumeEffect>) {
        if give_up_at <= now {
            self.attempt_failed(now, effects);
        } else {
            self.state = State::Looking { again_at: now.saturating_add(LOOK_AGAIN), give_up_at };
        }
    }

    fn ask_next(
        &mut self,
        mut others: VecDeque<PeerAddress>,
        now: Timestamp,
        effects: &mut Vec<ResumeEffect>,
    ) {
        match others.pop_front() {
            Some(peer) => self.ask(peer, None, others, effects),
            None => self.attempt_failed(now, effects),
        }
    }

    fn ask(
        &mut self,
        peer: PeerAddress,
        cursor: Option<MessageHash>,
        others: VecDeque<PeerAddress>,
        effects: &mut Vec<ResumeEffect>,
    ) {
        let query = Box::new(Query {
            include_data: true,
            start: Some(self.last.map_or(self.from, |(timestamp, _)| timestamp)),
            end: Some(self.to),
            cursor,
            direction: Direction::Forward,
            page_size: PageSize::MAX,
            ..Query::default()
        });
        effects.push(ResumeEffect::Ask { peer: peer.clone(), query: query.clone() });
        self.state = State::Asking { peer, query, others };
    }

    /// The messages of a page that is one, and where the next begins.
    fn accept(
        &mut self,
        query: &Query,
        page: Page,
    ) -> Result<(Vec<StoredMessage>, Option<MessageHash>), String> {
        check_page(query, &page).map_err(|fault| fault.to_string())?;
        let messages: Vec<StoredMessage> = page
            .rows
            .into_iter()
            .filter_map(|row| {
                row.data.map(|(topic, message)| StoredMessage { hash: row.hash, topic, message })
            })
            .collect();
        let (first, last) = (messages.first().map(StoredMessage::place), messages.last());
        if query.cursor.is_some() && first.is_some() && first <= self.last {
            return Err("its pages lead back".to_owned());
        }
        self.last = last.map(StoredMessage::place).or(self.last);
        self.fetched += messages.len() as u64;
        let ours = |message: &StoredMessage| message.topic.cluster() == self.cluster;
        Ok((messages.into_iter().filter(ours).collect(), page.cursor))
    }

    fn attempt_failed(&mut self, now: Timestamp, effects: &mut Vec<ResumeEffect>) {
        if self.attempt >= ATTEMPTS {
            self.give_up(effects);
            return;
        }
        self.attempt += 1;
        self.state = State::Resting { until: now.saturating_add(PAUSE) };
    }

    fn give_up(&mut self, effects: &mut Vec<ResumeEffect>) {
        self.state = State::Finished;
        let outcome = Outcome::GaveUp { fetched: self.fetched, why: std::mem::take(&mut self.why) };
        effects.push(ResumeEffect::Finished(outcome));
    }
}
