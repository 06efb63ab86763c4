//! Half of ten service peers are faulty, and a fifth of all requests is lost.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;

/// A peer, by its number: 1 to 5 are sound.
fn answer_of(n: u8, draw: u64) -> Option<Result<Answer, RequestFailure>> {
    if draw.is_multiple_of(5) {
        return Some(Err(RequestFailure::Unreachable));
    }
    match n {
        1..=5 => Some(took()),
        // Takes it and drops it.
        6 => Some(took()),
        // Stalls.
        7 => None,
        8 => Some(refused(Status::TooManyRequests)),
        9 => Some(refused(Status::BadRequest)),
        _ => Some(Err(RequestFailure::Unreachable)),
    }
}

/// Numbers that look random and are the same in each run.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

/// What happens later: to a push whether it is answered, to a query what was stored.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Later {
    Pushed(PushId, u8, u64),
    Confirmed(u64, Vec<MessageHash>),
    Send(u64),
}

/// Of 1,000 messages, one each 200 ms, how many are out: in the network, whatever the sender believes.
fn out_of_a_thousand(config: SenderConfig) -> (usize, usize) {
    let mut draws = Draws(7);
    let mut sender = Sender::new(config);
    for n in 1..=10 {
        sender.light_push_peers().add(peer(n), None);
    }
    for n in 11..=14 {
        sender.store_peers().add(peer(n), None);
    }
    let (mut network, mut confirmed) = (BTreeSet::new(), 0);
    let mut later = BinaryHeap::new();
    for n in 0..1000 {
        later.push(Reverse((at(0).saturating_add(Duration::from_millis(200 * n)), Later::Send(n))));
    }
    loop {
        let event = later.peek().map(|Reverse((when, _))| *when);
        let Some(now) = event.into_iter().chain(sender.next_deadline()).min() else { break };
        let mut effects = Vec::new();
        let next = if event == Some(now) { later.pop() } else { None };
        match next {
            None => sender.tick(now, &mut effects),
            Some(Reverse((_, Later::Send(n)))) => {
                let mut message = message(0);
                message.payload = n.to_be_bytes().to_vec().into();
                message.timestamp = now;
                sender.send(SendId(n), Outgoing { topic: shard(), message }, now, &mut effects);
            }
            Some(Reverse((_, Later::Pushed(id, n, draw)))) => {
                if let Some(answer) = answer_of(n, draw) {
                    sender.pushed(id, answer, now, &mut effects);
                }
            }
            Some(Reverse((_, Later::Confirmed(id, stored)))) => {
                let lost = draws.next().is_multiple_of(5);
                let result = if lost { Err(RequestFailure::Unreachable) } else { Ok(stored) };
                sender.confirmed(QueryId(id), result, now, &mut effects);
            }
        }
        let soon = now.saturating_add(Duration::from_millis(100));
        for effect in effects {
            match effect {
                SenderEffect::Push { id, peer, outgoing } => {
                    let (n, draw) = (peer.as_bytes()[0], draws.next());
                    if n <= 5 && matches!(answer_of(n, draw), Some(Ok(_))) {
                        network.insert(outgoing.message.hash(shard()));
                    }
                    later.push(Reverse((soon, Later::Pushed(id, n, draw))));
                }
                SenderEffect::Query { id, hashes, .. } => {
                    let stored = hashes.into_iter().filter(|hash| network.contains(hash)).collect();
                    later.push(Reverse((soon, Later::Confirmed(id.0, stored))));
                }
                SenderEffect::Event(Event::Sent { .. }) => confirmed += 1,
                SenderEffect::Event(_) | SenderEffect::Renew(_) => {}
            }
        }
    }
    assert_eq!(sender.under_way(), 0);
    (network.len(), confirmed)
}

#[test]
fn of_a_thousand_messages_at_most_ten_are_lost_with_the_strategy_and_over_a_hundred_without() {
    let (out, confirmed) = out_of_a_thousand(SenderConfig::default());
    println!("with the strategy: {out} of 1000 out, {confirmed} confirmed");
    assert!(out >= 990 && confirmed >= 990, "{out} out, {confirmed} confirmed");
    // One peer, one try: nothing is checked, since the first check comes after the end.
    let once = SenderConfig {
        redundancy: 1,
        tries: 1,
        confirm_after: Duration::from_secs(3600),
        give_up: Duration::from_nanos(1),
        ..SenderConfig::default()
    };
    let (out, confirmed) = out_of_a_thousand(once);
    println!("without: {out} of 1000 out, {confirmed} confirmed");
    assert!(out < 900 && confirmed == 0, "{out} out, {confirmed} confirmed");
}
