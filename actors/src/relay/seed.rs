//! What a relay is made of, the first time and after a fault.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use weir_core::{ContentTopic, PubsubTopic};
use weir_protocols::relay::{Config, MessageCache, Relay};
use weir_rln::{Epoch, Nullifier, Share, ShareX, ShareY};
use weir_storage::{NullifierRecord, StateStore};

use super::{Ports, RelayActor};
use crate::{
    Clock, journal,
    metrics::RelayMetrics,
    network::RelayStarted,
    supervision::{FactoryError, Lease},
};

/// Nullifiers that may not be on disk yet: what the journal's mailbox, an open batch and the queue for
/// a full disk hold. At 104 bytes each under 2 MB.
const RECENT: usize = journal::MAILBOX + journal::BATCH + journal::MAX_WAITING_NULLIFIERS;

/// What a relay is told once.
pub(crate) struct Parts {
    pub(crate) config: Config,
    /// Topics joined at the start.
    pub(crate) topics: Vec<PubsubTopic>,
    /// Content topics kept from the start.
    pub(crate) content_topics: Vec<ContentTopic>,
    pub(crate) cache_capacity: usize,
    pub(crate) store: StateStore,
    pub(crate) ports: Ports,
    pub(crate) clock: Clock,
    pub(crate) metrics: RelayMetrics,
}

/// Makes the relay, again and again.
pub(crate) struct Seed {
    config: Config,
    cache_capacity: usize,
    store: StateStore,
    ports: Ports,
    clock: Clock,
    metrics: RelayMetrics,
    memory: Memory,
}

/// What a relay leaves to the one that is made when it dies: what is nowhere else, or not yet.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Kept>>);

/// Which of the relays of this process, one after the other. Each names its jobs from zero again, so
/// the answer to a job of one that died must not pass for the answer to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life(u64);

#[derive(Default)]
struct Kept {
    lives: u64,
    topics: BTreeSet<PubsubTopic>,
    content_topics: BTreeSet<ContentTopic>,
    /// The latest nullifiers, at most [`RECENT`], oldest first.
    recent: VecDeque<NullifierRecord>,
}

impl Seed {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { config, topics, content_topics, cache_capacity, store, ports, clock, metrics } = parts;
        let memory = Memory::default();
        topics.into_iter().for_each(|topic| memory.joined(topic));
        content_topics.iter().for_each(|topic| memory.joined_content(topic));
        Self { config, cache_capacity, store, ports, clock, metrics, memory }
    }

    /// A relay with the topics and the nullifiers of the one before, or of the start.
    pub(crate) fn grow(&self, lease: Lease) -> Result<RelayActor, FactoryError> {
        let mut relay = Relay::new(self.config.clone());
        let mut cache = MessageCache::new(self.cache_capacity);
        let recent = self.memory.recall(&mut relay, &mut cache)?;
        if let Some(rln) = &self.config.rln {
            let oldest = journal::oldest_kept(rln.epoch_length, self.clock.now());
            // Read after the memory: what the journal writes meanwhile is in both and not in neither.
            let written = self.store.nullifiers_from(oldest.number())?;
            let restored = relay.restore_nullifiers(written.iter().chain(&recent).filter_map(restored_share));
            tracing::debug!(restored, "nullifiers were read back");
        }
        // Before anybody can reach the new relay, so that only what the one before was handed is taken
        // back.
        drop(self.ports.started.tell(RelayStarted));
        let grown = (relay, cache, self.memory.clone());
        Ok(RelayActor::new(grown, self.ports.clone(), self.clock.clone(), self.metrics.clone(), lease))
    }
}

/// A record that was damaged in a way checksums miss is skipped: it could only fail to match.
fn restored_share(record: &NullifierRecord) -> Option<(Epoch, Nullifier, Share)> {
    let nullifier = Nullifier::from_bytes(&record.nullifier).ok()?;
    let share =
        Share { x: ShareX::from_bytes(&record.share_x).ok()?, y: ShareY::from_bytes(&record.share_y).ok()? };
    Some((Epoch::new(record.epoch), nullifier, share))
}

impl Life {
    #[cfg(test)]
    pub(crate) const FIRST: Self = Self(1);

    /// Where the tickets of this life begin, far above those of the lives before.
    pub(super) const fn first_ticket(self) -> u64 {
        self.0 << 40
    }
}

impl Memory {
    pub(super) fn begin_life(&self) -> Life {
        let mut kept = self.kept();
        kept.lives += 1;
        Life(kept.lives)
    }

    pub(super) fn joined(&self, topic: PubsubTopic) {
        self.kept().topics.insert(topic);
    }

    pub(super) fn left(&self, topic: PubsubTopic) {
        self.kept().topics.remove(&topic);
    }

    pub(super) fn joined_content(&self, topic: &ContentTopic) {
        self.kept().content_topics.insert(topic.clone());
    }

    pub(super) fn left_content(&self, topic: &ContentTopic) {
        self.kept().content_topics.remove(topic);
    }

    pub(super) fn accepted(&self, record: NullifierRecord) {
        let recent = &mut self.kept().recent;
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(record);
    }

    /// Subscribes what was subscribed, and gives the latest nullifiers.
    fn recall(
        &self,
        relay: &mut Relay,
        cache: &mut MessageCache,
    ) -> Result<VecDeque<NullifierRecord>, FactoryError> {
        let kept = self.kept();
        for &topic in &kept.topics {
            relay.subscribe(topic)?;
            cache.subscribe(topic);
        }
        for topic in &kept.content_topics {
            relay.subscribe_content(topic)?;
            cache.subscribe_content(topic.clone());
        }
        Ok(kept.recent.clone())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // No code under the lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
