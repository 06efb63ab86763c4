//! What was sent, how it was answered and where it arrived. Time is an argument: the time since the
//! run began.

use std::{collections::BTreeMap, time::Duration};

/// The book of one run.
#[derive(Debug)]
pub(crate) struct Tally {
    sent: Vec<Sent>,
    receivers: Vec<Receiver>,
    answer_times: Vec<Duration>,
    last_answer: Duration,
}

/// One message on its way.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Duration,
    answer: Option<Answer>,
}

/// How the publisher answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200.
    Accepted,
    /// Another status.
    Refused(u16),
    /// No answer.
    Failed,
}

#[derive(Debug, Default)]
struct Receiver {
    /// How often each message came, by number.
    copies: Vec<u32>,
    latencies: Vec<Duration>,
    last: Duration,
}

/// What one receiver got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Different messages.
    pub(crate) received: u64,
    /// Accepted by the publisher and not received.
    pub(crate) lost: u64,
    /// Copies beyond the first.
    pub(crate) duplicates: u64,
    /// Received although the publisher had not said 200.
    pub(crate) unaccepted: u64,
    /// From the first publish to the last arrival.
    pub(crate) span: Duration,
    pub(crate) latencies: Vec<Duration>,
}

impl Tally {
    pub(crate) fn new(receivers: usize) -> Self {
        Self {
            sent: Vec::new(),
            receivers: (0..receivers).map(|_| Receiver::default()).collect(),
            answer_times: Vec::new(),
            last_answer: Duration::ZERO,
        }
    }

    /// Notes that a message is about to be published and gives its number.
    pub(crate) fn send(&mut self, now: Duration) -> u64 {
        self.sent.push(Sent { at: now, answer: None });
        self.sent.len() as u64 - 1
    }

    pub(crate) fn answer(&mut self, number: u64, answer: Answer, now: Duration) {
        if let Some(sent) = self.sent.get_mut(number as usize) {
            sent.answer = Some(answer);
            self.answer_times.push(now.saturating_sub(sent.at));
            self.last_answer = self.last_answer.max(now);
        }
    }

    /// Notes an arrival. A number that was never sent is another's message and ignored.
    pub(crate) fn receive(&mut self, receiver: usize, number: u64, now: Duration) {
        let (Some(sent), Some(receiver)) = (self.sent.get(number as usize), self.receivers.get_mut(receiver))
        else {
            return;
        };
        if receiver.copies.len() < self.sent.len() {
            receiver.copies.resize(self.sent.len(), 0);
        }
        let copies = &mut receiver.copies[number as usize];
        *copies += 1;
        if *copies == 1 {
            receiver.latencies.push(now.saturating_sub(sent.at));
            receiver.last = receiver.last.max(now);
        }
    }

    /// Whether the receiver still lacks this message and can expect it.
    pub(crate) fn awaits(&self, receiver: usize, number: u64) -> bool {
        let hopeless = matches!(
            self.sent.get(number as usize),
            None | Some(Sent { answer: Some(Answer::Refused(_) | Answer::Failed), .. })
        );
        !hopeless && self.copies(receiver, number) == 0
    }

    /// Whether the receiver lacks any message that was accepted or not yet answered.
    pub(crate) fn awaits_any(&self, receiver: usize) -> bool {
        (0..self.sent.len() as u64).any(|number| self.awaits(receiver, number))
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.len() as u64
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.answered().filter(|answer| *answer == Answer::Accepted).count() as u64
    }

    /// No answer, or none yet.
    pub(crate) fn failed(&self) -> u64 {
        let unanswered = self.sent.iter().filter(|sent| sent.answer.is_none()).count();
        unanswered as u64 + self.answered().filter(|answer| *answer == Answer::Failed).count() as u64
    }

    /// Refusals by status.
    pub(crate) fn refused(&self) -> BTreeMap<u16, u64> {
        let mut refused = BTreeMap::new();
        for answer in self.answered() {
            if let Answer::Refused(status) = answer {
                *refused.entry(status).or_default() += 1;
            }
        }
        refused
    }

    /// How long the publisher took to answer, whatever it answered.
    pub(crate) fn answer_times(&self) -> &[Duration] {
        &self.answer_times
    }

    /// From the first publish to the last answer.
    pub(crate) fn publish_span(&self) -> Duration {
        self.last_answer.saturating_sub(self.first_sent())
    }

    pub(crate) fn delivered(&self, receiver: usize) -> Delivered {
        let mut delivered = Delivered {
            received: 0,
            lost: 0,
            duplicates: 0,
            unaccepted: 0,
            span: self.receivers[receiver].last.saturating_sub(self.first_sent()),
            latencies: self.receivers[receiver].latencies.clone(),
        };
        for (number, sent) in self.sent.iter().enumerate() {
            let copies = u64::from(self.copies(receiver, number as u64));
            let accepted = sent.answer == Some(Answer::Accepted);
            delivered.received += copies.min(1);
            delivered.duplicates += copies.saturating_sub(1);
            delivered.lost += u64::from(accepted && copies == 0);
            delivered.unaccepted += u64::from(!accepted && copies > 0);
        }
        delivered
    }

    fn first_sent(&self) -> Duration {
        self.sent.first().map_or(Duration::ZERO, |sent| sent.at)
    }

    fn answered(&self) -> impl Iterator<Item = Answer> {
        self.sent.iter().filter_map(|sent| sent.answer)
    }

    fn copies(&self, receiver: usize, number: u64) -> u32 {
        let receiver = self.receivers.get(receiver);
        receiver.and_then(|receiver| receiver.copies.get(number as usize)).copied().unwrap_or(0)
    }
}

/// The value below which `share` of the sorted values lie: the nearest rank, `None` without values.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Option<Duration> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn every_message_has_one_fate_at_a_receiver() {
        let mut tally = Tally::new(2);
        let numbers: Vec<u64> = (0..6).map(|at| tally.send(ms(10 * at))).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
        for number in 0..3 {
            tally.answer(number, Answer::Accepted, ms(10 * number + 2));
        }
        tally.answer(3, Answer::Refused(429), ms(31));
        tally.answer(4, Answer::Failed, ms(99));
        tally.receive(0, 0, ms(5));
        tally.receive(0, 0, ms(6));
        tally.receive(0, 1, ms(30));
        tally.receive(0, 4, ms(50));
        tally.receive(0, 77, ms(50));

        assert_eq!((tally.sent(), tally.accepted(), tally.failed()), (6, 3, 2));
        assert_eq!(tally.refused(), [(429, 1)].into());
        let first = tally.delivered(0);
        assert_eq!((first.received, first.lost, first.duplicates, first.unaccepted), (3, 1, 1, 1));
        assert_eq!(first.latencies, [ms(5), ms(20), ms(10)]);
        assert_eq!(first.span, ms(50));
        assert_eq!(tally.publish_span(), ms(99));
        assert_eq!(tally.delivered(1).lost, 3);

        assert!(!tally.awaits(0, 0), "it has it");
        assert!(tally.awaits(0, 2) && tally.awaits(0, 5), "accepted, and not answered yet");
        assert!(!tally.awaits(0, 3) && !tally.awaits(0, 99), "refused, and never sent");
        assert!(tally.awaits_any(0));
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<Duration> = (1..=200).map(ms).collect();
        assert_eq!(percentile(&values, 0.5), Some(ms(100)));
        assert_eq!(percentile(&values, 0.99), Some(ms(198)));
        assert_eq!(percentile(&values, 1.0), Some(ms(200)));
        assert_eq!(percentile(&values[..1], 0.5), Some(ms(1)));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
