//! Filter v2: bytes of other implementations, and what requests mean.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use weir_core::{
    ContentTopic, ContentTopicError, Meta, ProofField, PubsubTopic, PubsubTopicError, Timestamp, WakuMessage,
    filter::{Answer, BadRequest, Criteria, Request, Status},
};
use weir_wire::{
    DecodeError, FILTER_PUSH_MAX_FRAME, FILTER_REQUEST_MAX_FRAME, FILTER_RESPONSE_MAX_FRAME, FilterRequest,
    FilterResponse, decode_filter_push, encode_filter_push, encode_filter_request, encode_message,
};

/// From the reference: `req-1`, subscribe, on a shard, one content topic.
const SUBSCRIBE: &str = "0a057265712d311001520e2f77616b752f322f72732f302f305a1d2f77616b752f322f64656661756c742d636f6e74656e742f70726f746f";
const PING: &str = "0a057265712d311000";
const OK: &str = "0a057265712d3150c8015a024f4b";

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).expect("hex")
}

fn criteria(topics: &[&str]) -> Criteria {
    let topics = topics.iter().map(|topic| ContentTopic::new(topic).expect("topic")).collect();
    Criteria::new("/waku/2/rs/0/0".parse().expect("topic"), topics).expect("few")
}

fn asked(hex: &str) -> Result<Request, BadRequest> {
    FilterRequest::decode(&bytes(hex)).expect("well formed").asked
}

/// A request of `kind` with these topics.
fn naming(kind: u8, pubsub_topic: &str, topics: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![0x10, kind, 0x52, pubsub_topic.len() as u8];
    body.extend(pubsub_topic.as_bytes());
    for topic in topics {
        body.extend([0x5a, topic.len() as u8]);
        body.extend(*topic);
    }
    body
}

fn refused(body: &[u8]) -> BadRequest {
    FilterRequest::decode(body).expect("well formed").asked.expect_err("refused")
}

#[test]
fn the_bytes_of_the_reference_are_read_and_written() {
    let subscribe = Request::Subscribe(criteria(&["/waku/2/default-content/proto"]));
    for (hex, request) in [(SUBSCRIBE, subscribe), (PING, Request::Ping)] {
        let expected = FilterRequest { request_id: "req-1".into(), asked: Ok(request.clone()) };
        assert_eq!(FilterRequest::decode(&bytes(hex)), Ok(expected));
        assert_eq!(hex::encode(encode_filter_request("req-1", &request)), hex);
    }
    let response = FilterResponse { request_id: "req-1".into(), answer: Answer::ok() };
    assert_eq!(hex::encode(response.encode()), OK);
    assert_eq!(FilterResponse::decode(&bytes(OK)), Ok(response));
}

#[test]
fn a_ping_needs_no_kind_and_is_one_with_whatever_topics() {
    assert_eq!(asked(""), Ok(Request::Ping));
    assert_eq!(asked("10005200"), Ok(Request::Ping), "as js-waku writes it");
    assert_eq!(asked("10005a0174"), Ok(Request::Ping));
    assert_eq!(asked("1003"), Ok(Request::UnsubscribeAll));
}

#[test]
fn subscribing_to_nothing_or_to_too_much_is_told_as_live_nodes_tell_it() {
    let topic = "/waku/2/rs/0/0";
    for kind in [1, 2] {
        for body in [naming(kind, topic, &[]), naming(kind, "", &[b"t"]), vec![0x10, kind]] {
            assert_eq!(refused(&body), BadRequest::NoCriteria);
        }
        assert!(
            FilterRequest::decode(&naming(kind, topic, &[&b"t"[..]; 100]))
                .expect("well formed")
                .asked
                .is_ok()
        );
        assert_eq!(refused(&naming(kind, topic, &[&b"t"[..]; 101])), BadRequest::TooManyContentTopics);
        assert_eq!(refused(&naming(kind, "", &[&b"t"[..]; 101])), BadRequest::NoCriteria, "the first rule");
    }
    assert_eq!(BadRequest::NoCriteria.to_string(), "pubsubTopic and contentTopics must be specified");
    assert_eq!(BadRequest::TooManyContentTopics.to_string(), "exceeds maximum content topics: 100");
}

#[test]
fn topics_that_no_message_has_and_unknown_kinds_are_named() {
    let shard = "/waku/2/rs/0/0";
    let named = "/waku/2/default-waku/proto";
    assert_eq!(
        refused(&naming(1, named, &[b"t"])),
        BadRequest::PubsubTopic(PubsubTopicError::Structure(named.into()))
    );
    assert_eq!(refused(&naming(1, shard, &[b"t", b" "])), BadRequest::ContentTopic(ContentTopicError::Blank));
    assert_eq!(refused(&naming(2, shard, &[b"\xff"])), BadRequest::NotUtf8);
    assert_eq!(refused(&naming(4, shard, &[b"t"])), BadRequest::Kind(4));
}

#[test]
fn frames_above_their_limits_are_refused() {
    let too_long =
        |field, max: usize| Err(DecodeError::Range { field, max: max as u64, value: max as u64 + 1 });
    let body = |max: usize| Bytes::from(vec![0; max + 1]);
    let request = FilterRequest::decode(&body(FILTER_REQUEST_MAX_FRAME)).map(|_| ());
    assert_eq!(request, too_long("filter request", FILTER_REQUEST_MAX_FRAME));
    let response = FilterResponse::decode(&body(FILTER_RESPONSE_MAX_FRAME)).map(|_| ());
    assert_eq!(response, too_long("filter response", FILTER_RESPONSE_MAX_FRAME));
    let push = decode_filter_push(&body(FILTER_PUSH_MAX_FRAME)).map(|_| ());
    assert_eq!(push, too_long("filter push", FILTER_PUSH_MAX_FRAME));
}

#[test]
fn a_response_without_a_code_is_none_and_one_without_a_text_is() {
    assert_eq!(FilterResponse::decode(&bytes("0a0172")), Err(DecodeError::Missing("status_code")));
    let response = FilterResponse::decode(&bytes("0a01725094035a00")).expect("well formed");
    assert_eq!(response.answer, Answer { status: Status::NotFound, description: String::new() });
}

#[test]
fn a_push_needs_a_message_and_a_shard() {
    let message = "1206000102030405";
    assert_eq!(decode_filter_push(&bytes(message).into()), Err(DecodeError::Missing("waku_message")));
    assert_eq!(
        decode_filter_push(&bytes("0a060a0170120174").into()),
        Err(DecodeError::Missing("pubsub_topic"))
    );
    let foreign = bytes("0a060a01701201741201 78".replace(' ', "").as_str());
    assert!(matches!(decode_filter_push(&foreign.into()), Err(DecodeError::PubsubTopic(_))));
    let nested = decode_filter_push(&bytes("0a030a0170120e2f77616b752f322f72732f302f30").into());
    assert_eq!(nested, Err(DecodeError::Missing("content_topic")));
}

#[test]
fn a_push_is_the_message_as_it_is_relayed_and_its_topic() {
    let message = WakuMessage {
        payload: Bytes::from_static(b"p"),
        content_topic: ContentTopic::new("t").expect("topic"),
        version: 0,
        timestamp: Timestamp::ZERO,
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    };
    let body = encode_filter_push("/waku/2/rs/0/0".parse().expect("topic"), &message);
    let (inner, topic) = (hex::encode(encode_message(&message)), hex::encode("/waku/2/rs/0/0"));
    assert_eq!(hex::encode(body), format!("0a{:02x}{inner}120e{topic}", inner.len() / 2));
}

fn any_topic() -> impl Strategy<Value = PubsubTopic> {
    (0..=9_u16).prop_map(|shard| format!("/waku/2/rs/1/{shard}").parse().expect("topic"))
}

fn any_content_topic() -> impl Strategy<Value = ContentTopic> {
    "[^\\s]\\PC{0,20}".prop_map(|topic| ContentTopic::new(&topic).expect("topic"))
}

fn any_request() -> impl Strategy<Value = Request> {
    let criteria = || {
        (any_topic(), vec(any_content_topic(), 1..10))
            .prop_map(|(topic, topics)| Criteria::new(topic, topics).expect("a few"))
    };
    prop_oneof![
        Just(Request::Ping),
        criteria().prop_map(Request::Subscribe),
        criteria().prop_map(Request::Unsubscribe),
        Just(Request::UnsubscribeAll),
    ]
}

proptest! {
    #[test]
    fn requests_survive_the_wire(request in any_request(), request_id in "\\PC{0,20}") {
        let read = FilterRequest::decode(&encode_filter_request(&request_id, &request));
        prop_assert_eq!(read, Ok(FilterRequest { request_id, asked: Ok(request) }));
    }

    #[test]
    fn responses_survive_the_wire(code: u32, description in "\\PC{0,20}", request_id in "\\PC{0,20}") {
        let answer = Answer { status: Status::from_code(code), description };
        let response = FilterResponse { request_id, answer };
        prop_assert_eq!(FilterResponse::decode(&response.encode()), Ok(response));
    }

    #[test]
    fn pushes_survive_the_wire(
        topic in any_topic(),
        content_topic in any_content_topic(),
        payload in vec(any::<u8>(), 0..200),
        nanos: i64,
        ephemeral: bool,
    ) {
        let message = WakuMessage {
            payload: payload.into(),
            content_topic,
            version: 1,
            timestamp: Timestamp::from_nanos(nanos),
            meta: Meta::default(),
            ephemeral,
            proof: ProofField::Absent,
        };
        prop_assert_eq!(decode_filter_push(&encode_filter_push(topic, &message)), Ok((topic, message)));
    }

    #[test]
    fn no_bytes_make_the_decoders_panic(body in vec(any::<u8>(), 0..200)) {
        let _ = FilterRequest::decode(&body);
        let _ = FilterResponse::decode(&body);
        let _ = decode_filter_push(&body.into());
    }
}
