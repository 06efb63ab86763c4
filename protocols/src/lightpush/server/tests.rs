use std::collections::BTreeSet;

use weir_core::{ClusterId, ContentTopic, Meta, PubsubTopicError, RateLimitProof, ShardId};

use super::*;

const CLUSTER: ClusterId = ClusterId(1);
const QUOTA: ProofQuotaConfig = ProofQuotaConfig { epoch: Duration::from_secs(600), per_client: 2, total: 3 };

/// What js-waku looks for to tell that a proof is missing (jswaku 4).
const RLN_PHRASES: [&str; 3] = [
    "could not generate rln proof",
    "could not get new message id to generate an rln proof",
    "RLN validation failed",
];

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + secs)
}

fn peer(n: u8) -> PeerId {
    PeerId::from_bytes(&[n]).expect("a byte")
}

fn shard(n: u16) -> PubsubTopic {
    PubsubTopic::new(CLUSTER, ShardId(n)).expect("shard")
}

fn message(content_topic: &str) -> WakuMessage {
    WakuMessage {
        payload: b"payload".to_vec().into(),
        content_topic: ContentTopic::new(content_topic).expect("content topic"),
        version: 0,
        timestamp: at(0),
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    }
}

fn with_proof(message: WakuMessage) -> WakuMessage {
    let proof = RateLimitProof {
        proof: [1; 128],
        merkle_root: [2; 32],
        epoch: [3; 32],
        share_x: [4; 32],
        share_y: [5; 32],
        nullifier: [6; 32],
        rln_identifier: [7; 32],
    };
    WakuMessage { proof: ProofField::Present(Box::new(proof)), ..message }
}

fn asked(topic: Option<PubsubTopic>, message: WakuMessage) -> Result<Request, Malformed> {
    Ok(Request { topic, message, encoded_size: 100 })
}

fn server(proofs: Proofs) -> Server {
    let autosharding = Some(Autosharding::new(CLUSTER, 8).expect("8 shards"));
    Server::new(ServerConfig { autosharding, max_message_size: 100, proofs })
}

/// The node takes part in shard 1, on which this content topic is.
const SERVED: &str = "/waku/2/default-content/proto";

fn admit(server: &mut Server, asked: Result<Request, Malformed>) -> Result<ToPublish, Answer> {
    server.admit(Requester::Peer(&peer(1)), asked, |topic| topic == shard(1), at(5))
}

fn outcome(server: &mut Server, outcome: Result<usize, PublishError>) -> Answer {
    let hash = message(SERVED).hash(shard(1));
    server.answer(hash, outcome.map(|peers| Published { hash, peers }), at(5))
}

fn text(answer: &Answer) -> &str {
    answer.description.as_deref().unwrap_or_default()
}

#[test]
fn every_code_is_reached_and_every_refusal_says_what_to_do() {
    let mut free = server(Proofs::NotNeeded);
    let mut strict = server(Proofs::Brought);
    let mut poor = server(Proofs::Attached(ProofQuotaConfig { per_client: 0, ..QUOTA }));
    let mut static_sharding =
        Server::new(ServerConfig { autosharding: None, max_message_size: 100, proofs: Proofs::NotNeeded });
    let refused = |answer: Result<ToPublish, Answer>| answer.expect_err("refused");
    let long = Ok(Request { topic: Some(shard(1)), message: message(SERVED), encoded_size: 101 });
    let foreign = Malformed::Topic(PubsubTopicError::Structure("x".into()));
    let answers = [
        (outcome(&mut free, Ok(3)), 200, ""),
        (
            refused(admit(&mut free, Err(Malformed::Undecodable("the input ends".into())))),
            400,
            "decode_rpc_failure: the input ends",
        ),
        (refused(admit(&mut free, Err(Malformed::NoRequest))), 400, "empty_request_body_failure"),
        (refused(admit(&mut free, Err(Malformed::EmptyTopic))), 400, "topic must not be empty"),
        (refused(admit(&mut free, long)), 413, "Message size exceeded maximum of 100 bytes"),
        (
            refused(admit(&mut static_sharding, asked(None, message(SERVED)))),
            420,
            "Pubsub topic must be specified when static sharding is enabled",
        ),
        (refused(admit(&mut free, asked(None, message("plain")))), 420, "Invalid content-topic:"),
        (refused(admit(&mut strict, asked(Some(shard(1)), message(SERVED)))), 420, "RLN validation failed"),
        (refused(admit(&mut free, Err(foreign))), 421, "`x` is not a pubsub topic"),
        (
            refused(admit(&mut free, asked(Some(shard(2)), message(SERVED)))),
            421,
            "this node does not serve /waku/2/rs/1/2",
        ),
        (refused(admit(&mut poor, asked(Some(shard(1)), message(SERVED)))), 429, "the 0 RLN proofs"),
        (outcome(&mut server(Proofs::NotNeeded), Ok(0)), 505, "No peers for topic, skipping publish"),
    ];
    let mut codes = BTreeSet::new();
    for (answer, code, why) in &answers {
        assert_eq!(answer.status.code(), *code, "{answer:?}");
        assert!(text(answer).starts_with(why), "{answer:?}");
        assert!(text(answer).ends_with(answer.status.advice()), "{answer:?}");
        codes.insert(*code);
    }
    codes.extend(publish_errors().map(|(error, code)| {
        let answer = outcome(&mut free, Err(error));
        assert_eq!(answer.status.code(), code, "{answer:?}");
        assert!(text(&answer).ends_with(answer.status.advice()) && answer.relay_peers.is_none());
        code
    }));
    assert!(Status::all().map(Status::code).eq(codes), "each code of the table");
}

fn publish_errors() -> [(PublishError, u32); 13] {
    let text = || "why".to_owned();
    [
        (PublishError::NotSubscribed(shard(1)), 421),
        (PublishError::TooLarge { max: 100 }, 413),
        (PublishError::Invalid(text()), 420),
        (PublishError::NoPeers, 505),
        (PublishError::QuotaExhausted { limit: 20, resets_at: at(600) }, 504),
        (PublishError::NoMembership, 504),
        (PublishError::NotYetRegistered, 504),
        (PublishError::Synchronizing, 503),
        (PublishError::Overloaded, 503),
        (PublishError::Storage(text()), 504),
        (PublishError::ProofFailed(text()), 504),
        (PublishError::Timeout, 500),
        (PublishError::Stopping, 503),
    ]
}

#[test]
fn js_waku_finds_its_words_when_a_proof_is_missing_or_refused_and_nowhere_else() {
    let mut server = server(Proofs::NotNeeded);
    for (error, code) in publish_errors() {
        let answer = outcome(&mut server, Err(error));
        let found = RLN_PHRASES.iter().any(|phrase| text(&answer).contains(phrase));
        assert_eq!(found, [420, 504].contains(&code), "{answer:?}");
    }
    for answer in [Answer::rate_limited(), no_peers(), with_quota_used_up()] {
        assert!(!RLN_PHRASES.iter().any(|phrase| text(&answer).contains(phrase)), "{answer:?}");
    }
}

fn with_quota_used_up() -> Answer {
    let mut server = server(Proofs::Attached(ProofQuotaConfig { total: 0, ..QUOTA }));
    admit(&mut server, asked(Some(shard(1)), message(SERVED))).expect_err("no proofs")
}

#[test]
fn the_shard_follows_from_the_content_topic_when_no_topic_is_given() {
    let mut server = server(Proofs::NotNeeded);
    let publish = admit(&mut server, asked(None, message(SERVED))).expect("admitted");
    assert_eq!(publish, ToPublish { topic: shard(1), message: message(SERVED), encoded_size: 100 });
    let elsewhere = admit(&mut server, asked(None, message("/toychat/2/huilong/proto")));
    assert_eq!(elsewhere.expect_err("shard 3").status, Status::UnsupportedPubsubTopic);
}

#[test]
fn a_message_without_a_time_gets_one_unless_a_proof_was_made_for_none() {
    let mut server = server(Proofs::Brought);
    let timeless = WakuMessage { timestamp: Timestamp::ZERO, ..message(SERVED) };
    let brought = admit(&mut server, asked(None, with_proof(timeless.clone()))).expect("admitted");
    assert_eq!(brought.message.timestamp, Timestamp::ZERO);
    let mut server = self::server(Proofs::NotNeeded);
    let publish = admit(&mut server, asked(None, timeless)).expect("admitted");
    assert_eq!(publish.message.timestamp, at(5));
}

#[test]
fn proofs_of_the_node_are_for_those_who_bring_none_and_have_some_left() {
    let mut server = server(Proofs::Attached(QUOTA));
    let send = |server: &mut Server, n: u8, nanos: i64, brings: bool| {
        let message = WakuMessage { timestamp: Timestamp::from_nanos(nanos), ..message(SERVED) };
        let message = if brings { with_proof(message) } else { message };
        let admitted = server.admit(Requester::Peer(&peer(n)), asked(None, message), |_| true, at(5));
        admitted.map_or_else(|answer| answer.status.code(), |_| 0)
    };
    assert_eq!([1, 2, 3].map(|nanos| send(&mut server, 1, nanos, false)), [0, 0, 429]);
    assert_eq!(
        [4, 5].map(|nanos| send(&mut server, 1, nanos, true)),
        [0, 0],
        "a proof of its own costs none"
    );
    assert_eq!([6, 7].map(|nanos| send(&mut server, 2, nanos, false)), [0, 429], "together 3");
    assert_eq!(
        server.admit(Requester::Peer(&peer(1)), asked(None, message(SERVED)), |_| true, at(605)).map(|_| ()),
        Ok(())
    );
}

#[test]
fn local_clients_cost_the_quota_of_others_nothing() {
    for proofs in [Proofs::Brought, Proofs::Attached(ProofQuotaConfig { total: 0, ..QUOTA })] {
        let admitted = server(proofs).admit(Requester::Local, asked(None, message(SERVED)), |_| true, at(5));
        assert!(admitted.is_ok(), "{admitted:?}");
    }
}

#[test]
fn the_same_message_again_is_a_success_for_two_minutes_and_costs_no_proof() {
    let mut server = server(Proofs::Attached(ProofQuotaConfig { total: 1, ..QUOTA }));
    assert!(admit(&mut server, asked(None, message(SERVED))).is_ok());
    assert_eq!(outcome(&mut server, Ok(3)), Answer::published(3));
    assert_eq!(admit(&mut server, asked(None, message(SERVED))), Err(Answer::published(3)));
    assert_eq!(outcome(&mut server, Ok(0)), Answer::published(3), "with a proof of its own");
    let later = server.admit(Requester::Peer(&peer(1)), asked(None, message(SERVED)), |_| true, at(125));
    assert_eq!(later.expect_err("forgotten").status, Status::TooManyRequests);
}
