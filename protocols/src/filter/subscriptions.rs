//! Who wants what, indexed both ways.
//!
//! By criterion, so that a message costs as much as it has subscribers, and by client, so that one client can be
//! forgotten without a look at the others.
//!
//! # Invariants
//! Both ways say the same. A criterion that nobody holds is not kept. Its text exists once, however many hold
//! it.

use std::{collections::BTreeMap, slice};

use weir_core::{ContentTopic, PubsubTopic, filter::Criteria};

/// Names a client. Given in ascending order, never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ClientId(pub(super) u64);

/// One thing a client can want.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Criterion {
    // First, because it differs less often and is quicker to compare.
    pubsub_topic: PubsubTopic,
    content_topic: ContentTopic,
}

/// What became of the wish to remove a criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removed {
    /// The client holds it no more.
    Yes,
    /// Only others hold it.
    HeldByOthers,
    /// Nobody holds it.
    HeldByNobody,
}

/// The index.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    subscribers: BTreeMap<Criterion, Subscribers>,
    /// In order.
    held: BTreeMap<ClientId, Vec<Criterion>>,
}

/// Those who hold a criterion, in order; most criteria have one.
#[derive(Debug)]
enum Subscribers {
    One(ClientId),
    Many(Vec<ClientId>),
}

impl Subscriptions {
    /// Criteria that `client` holds.
    pub(super) fn held_by(&self, client: ClientId) -> usize {
        self.held.get(&client).map_or(0, Vec::len)
    }

    /// Criteria of `criteria` that `client` does not hold yet.
    pub(super) fn new_to(&self, client: ClientId, criteria: &Criteria) -> usize {
        let held = self.held.get(&client).map(Vec::as_slice).unwrap_or_default();
        let mut wanted = all_of(criteria);
        wanted.sort();
        wanted.dedup();
        wanted.iter().filter(|criterion| held.binary_search(criterion).is_err()).count()
    }

    /// Adds `criteria`; what is held already stays.
    pub(super) fn add(&mut self, client: ClientId, criteria: &Criteria) {
        let wanted = self.new_to(client, criteria);
        let held = self.held.entry(client).or_default();
        // Exactly, because ten thousand clients have one of these.
        held.reserve_exact(wanted);
        for criterion in all_of(criteria) {
            let Err(place) = held.binary_search(&criterion) else { continue };
            let criterion = match self.subscribers.get_key_value(&criterion) {
                Some((known, _)) => known.clone(),
                None => criterion,
            };
            match self.subscribers.get_mut(&criterion) {
                Some(subscribers) => subscribers.insert(client),
                None => drop(self.subscribers.insert(criterion.clone(), Subscribers::One(client))),
            }
            held.insert(place, criterion);
        }
    }

    /// Removes one criterion.
    pub(super) fn remove(
        &mut self,
        client: ClientId,
        pubsub_topic: PubsubTopic,
        content_topic: &ContentTopic,
    ) -> Removed {
        let criterion = Criterion { pubsub_topic, content_topic: content_topic.clone() };
        if !self.subscribers.contains_key(&criterion) {
            return Removed::HeldByNobody;
        }
        let Some(held) = self.held.get_mut(&client) else { return Removed::HeldByOthers };
        let Ok(place) = held.binary_search(&criterion) else { return Removed::HeldByOthers };
        held.remove(place);
        if held.is_empty() {
            self.held.remove(&client);
        }
        self.unlist(client, &criterion);
        Removed::Yes
    }

    /// Removes everything that `client` holds.
    pub(super) fn remove_all(&mut self, client: ClientId) {
        for criterion in self.held.remove(&client).unwrap_or_default() {
            self.unlist(client, &criterion);
        }
    }

    /// Those who want messages of these topics, in order.
    pub(super) fn subscribers(&self, pubsub_topic: PubsubTopic, content_topic: &ContentTopic) -> &[ClientId] {
        let criterion = Criterion { pubsub_topic, content_topic: content_topic.clone() };
        self.subscribers.get(&criterion).map(Subscribers::as_slice).unwrap_or_default()
    }

    /// Criteria that somebody holds.
    pub(super) fn len(&self) -> usize {
        self.subscribers.len()
    }

    fn unlist(&mut self, client: ClientId, criterion: &Criterion) {
        if self.subscribers.get_mut(criterion).is_some_and(|subscribers| subscribers.remove(client)) {
            self.subscribers.remove(criterion);
        }
    }
}

impl Subscribers {
    fn as_slice(&self) -> &[ClientId] {
        match self {
            Self::One(client) => slice::from_ref(client),
            Self::Many(clients) => clients,
        }
    }

    fn insert(&mut self, client: ClientId) {
        match self {
            Self::One(other) if *other == client => {}
            Self::One(other) => *self = Self::Many(vec![client.min(*other), client.max(*other)]),
            Self::Many(clients) => {
                if let Err(place) = clients.binary_search(&client) {
                    clients.insert(place, client);
                }
            }
        }
    }

    /// Whether nobody is left.
    fn remove(&mut self, client: ClientId) -> bool {
        match self {
            Self::One(other) => *other == client,
            Self::Many(clients) => {
                if let Ok(place) = clients.binary_search(&client) {
                    clients.remove(place);
                }
                if let [last] = clients[..] {
                    *self = Self::One(last);
                }
                self.as_slice().is_empty()
            }
        }
    }
}

fn all_of(criteria: &Criteria) -> Vec<Criterion> {
    let pubsub_topic = criteria.pubsub_topic();
    let criterion = |topic: &ContentTopic| Criterion { pubsub_topic, content_topic: topic.clone() };
    criteria.content_topics().iter().map(criterion).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use weir_core::{ClusterId, ShardId};

    use super::*;

    fn shard(n: u16) -> PubsubTopic {
        PubsubTopic::new(ClusterId(1), ShardId(n)).expect("shard")
    }

    fn content(n: u8) -> ContentTopic {
        ContentTopic::new(&format!("/app/1/{n}/proto")).expect("content topic")
    }

    fn criteria(on: u16, about: &[u8]) -> Criteria {
        Criteria::new(shard(on), about.iter().map(|n| content(*n)).collect()).expect("1 to 100")
    }

    #[derive(Debug, Clone)]
    enum Step {
        Add(u64, u16, Vec<u8>),
        Remove(u64, u16, u8),
        RemoveAll(u64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..4_u64, 0..2_u16, prop::collection::vec(0..5_u8, 1..5)).prop_map(|(c, s, t)| Step::Add(c, s, t)),
            4 => (0..4_u64, 0..2_u16, 0..5_u8).prop_map(|(c, s, t)| Step::Remove(c, s, t)),
            1 => (0..4_u64).prop_map(Step::RemoveAll),
        ]
    }

    proptest! {
        /// The model is a set of triples.
        #[test]
        fn the_index_is_the_set_of_who_wants_what(steps in prop::collection::vec(any_step(), 0..60)) {
            let mut index = Subscriptions::default();
            let mut model: BTreeSet<(u64, u16, u8)> = BTreeSet::new();
            for step in steps {
                match step {
                    Step::Add(client, on, about) => {
                        let fresh: BTreeSet<u8> =
                            about.iter().copied().filter(|n| !model.contains(&(client, on, *n))).collect();
                        prop_assert_eq!(index.new_to(ClientId(client), &criteria(on, &about)), fresh.len());
                        index.add(ClientId(client), &criteria(on, &about));
                        model.extend(about.iter().map(|n| (client, on, *n)));
                    }
                    Step::Remove(client, on, about) => {
                        let expected = if model.remove(&(client, on, about)) {
                            Removed::Yes
                        } else if model.iter().any(|held| (held.1, held.2) == (on, about)) {
                            Removed::HeldByOthers
                        } else {
                            Removed::HeldByNobody
                        };
                        prop_assert_eq!(index.remove(ClientId(client), shard(on), &content(about)), expected);
                    }
                    Step::RemoveAll(client) => {
                        index.remove_all(ClientId(client));
                        model.retain(|held| held.0 != client);
                    }
                }
                for (on, about) in (0..2_u16).flat_map(|on| (0..5_u8).map(move |about| (on, about))) {
                    let expected: Vec<ClientId> = model
                        .iter()
                        .filter(|held| (held.1, held.2) == (on, about))
                        .map(|held| ClientId(held.0))
                        .collect();
                    prop_assert_eq!(index.subscribers(shard(on), &content(about)), &expected[..]);
                }
                for client in 0..4 {
                    let expected = model.iter().filter(|held| held.0 == client).count();
                    prop_assert_eq!(index.held_by(ClientId(client)), expected);
                }
                let criteria: BTreeSet<(u16, u8)> = model.iter().map(|held| (held.1, held.2)).collect();
                prop_assert_eq!(index.len(), criteria.len());
            }
        }
    }
}
