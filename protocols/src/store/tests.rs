//! Tables and properties of serving, checking and resuming.

use weir_core::{
    ClusterId, ContentTopic, MessageHash, Meta, PeerAddress, PeerId, ProofField, PubsubTopic, Timestamp,
    WakuMessage,
    store::{Page, StoredMessage},
};

mod check;
mod resume;
mod server;

const CLUSTER: ClusterId = ClusterId(66);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_nanos(1_700_000_000_000_000_000 + millis * 1_000_000)
}

fn peer(n: u8) -> PeerId {
    PeerId::from_bytes(&[n + 1]).expect("one byte")
}

fn address(n: u8) -> PeerAddress {
    PeerAddress::new(peer(n), &format!("/ip4/10.0.0.{n}/tcp/60000/p2p/{}", peer(n)))
}

/// Message `n`, at `at(n)`.
fn stored(n: u8) -> StoredMessage {
    stored_on("/waku/2/rs/66/1", n)
}

fn stored_on(topic: &str, n: u8) -> StoredMessage {
    let topic: PubsubTopic = topic.parse().expect("a topic");
    let message = WakuMessage {
        payload: vec![n].into(),
        content_topic: ContentTopic::new("/weir/1/test/proto").expect("a content topic"),
        version: 0,
        timestamp: at(n.into()),
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    };
    StoredMessage::new(topic, message)
}

fn page(messages: impl IntoIterator<Item = StoredMessage>, cursor: Option<MessageHash>) -> Page {
    Page { rows: messages.into_iter().map(|message| message.into_row(true)).collect(), cursor }
}
