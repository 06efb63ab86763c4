//! Light push, both versions: bytes of other implementations, and what requests and answers mean.

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};
use weir_core::{
    ContentTopic, Meta, ProofField, PubsubTopic, PubsubTopicError, Timestamp, WakuMessage,
    lightpush::{Answer, Malformed, Request, Status},
};
use weir_wire::{
    DecodeError, LIGHTPUSH_REQUEST_MAX_FRAME, LIGHTPUSH_RESPONSE_MAX_FRAME, LightPushRequest,
    LightPushResponse, encode_legacy_lightpush_request, encode_lightpush_request, encoded_len,
};

/// From the reference: `req-1`, 200, one relay peer.
const SUCCESS: &str = "0a057265712d3150c8016001";
/// From the reference: `req-1`, yes, `OK`.
const LEGACY_SUCCESS: &str = "0a057265712d311a06080112024f4b";
/// `req-1`, on a shard, payload `p` and content topic `t`, as nwaku and as protobuf encoders write it.
const REQUEST: &str = "0a057265712d31a2010e2f77616b752f322f72732f302f30aa01060a0170120174";
const LEGACY_REQUEST: &str = "0a057265712d3112180a0e2f77616b752f322f72732f302f3012060a0170120174";

fn bytes(hex: &str) -> Bytes {
    hex::decode(hex).expect("hex").into()
}

fn least_message() -> WakuMessage {
    WakuMessage {
        payload: Bytes::from_static(b"p"),
        content_topic: ContentTopic::new("t").expect("topic"),
        version: 0,
        timestamp: Timestamp::ZERO,
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    }
}

fn shard() -> PubsubTopic {
    "/waku/2/rs/0/0".parse().expect("topic")
}

fn undecodable(error: DecodeError) -> Result<Request, Malformed> {
    Err(Malformed::Undecodable(error.to_string()))
}

#[test]
fn requests_of_both_versions_are_read_alike() {
    let asked = Ok(Request { topic: Some(shard()), message: least_message(), encoded_size: 18 });
    let expected = LightPushRequest { request_id: "req-1".into(), asked };
    assert_eq!(LightPushRequest::decode(&bytes(REQUEST)), expected);
    assert_eq!(LightPushRequest::decode_legacy(&bytes(LEGACY_REQUEST)), expected);
}

#[test]
fn without_a_topic_the_service_is_to_derive_it() {
    let asked = Ok(Request { topic: None, message: least_message(), encoded_size: 18 });
    assert_eq!(LightPushRequest::decode(&bytes("aa01060a0170120174")).asked, asked);
    assert_eq!(LightPushRequest::decode_legacy(&bytes("120812060a0170120174")).asked, asked);
    assert_eq!(LightPushRequest::decode_legacy(&bytes("120a0a0012060a0170120174")).asked, asked);
}

#[test]
fn what_is_wrong_with_a_request_is_part_of_it() {
    let v3 = |hex: &str| LightPushRequest::decode(&bytes(hex)).asked;
    let legacy = |hex: &str| LightPushRequest::decode_legacy(&bytes(hex)).asked;
    assert_eq!(v3("a20100aa01060a0170120174"), Err(Malformed::EmptyTopic));
    assert_eq!(v3("a2010178aa01060a0170120174"), Err(PubsubTopicError::Structure("x".into()).into()));
    assert_eq!(v3("a20101ffaa01060a0170120174"), undecodable(DecodeError::NotUtf8("pubsub_topic")));
    assert_eq!(v3("0a0172"), undecodable(DecodeError::Missing("message")));
    assert_eq!(v3("aa01030a0170"), undecodable(DecodeError::Missing("content_topic")));
    assert_eq!(legacy("0a0172"), Err(Malformed::NoRequest));
    assert_eq!(legacy("1200"), undecodable(DecodeError::Missing("message")));
    assert_eq!(legacy("120b0a017812060a0170120174"), Err(PubsubTopicError::Structure("x".into()).into()));
}

#[test]
fn a_request_that_cannot_be_read_is_answered_all_the_same() {
    for (body, error) in [("0b", DecodeError::WireType(3)), ("0a01ff", DecodeError::NotUtf8("request_id"))] {
        let expected = LightPushRequest { request_id: "N/A".into(), asked: undecodable(error) };
        assert_eq!(LightPushRequest::decode(&bytes(body)), expected);
        assert_eq!(LightPushRequest::decode_legacy(&bytes(body)), expected);
    }
    let named = LightPushRequest::decode(&bytes("0a0172aa010112"));
    assert_eq!(named.request_id, "r", "the message alone is at fault");
    assert_eq!(named.asked, undecodable(DecodeError::Truncated));
}

#[test]
fn frames_above_their_limits_are_refused() {
    let (max, body) = (LIGHTPUSH_REQUEST_MAX_FRAME, Bytes::from(vec![0; LIGHTPUSH_REQUEST_MAX_FRAME + 1]));
    let error = DecodeError::Range { field: "light push request", max: max as u64, value: max as u64 + 1 };
    assert_eq!(LightPushRequest::decode(&body).asked, undecodable(error.clone()));
    assert_eq!(LightPushRequest::decode_legacy(&body).asked, undecodable(error));
    let (max, body) = (LIGHTPUSH_RESPONSE_MAX_FRAME, vec![0; LIGHTPUSH_RESPONSE_MAX_FRAME + 1]);
    let error = DecodeError::Range { field: "light push response", max: max as u64, value: max as u64 + 1 };
    assert_eq!(LightPushResponse::decode(&body), Err(error.clone()));
    assert_eq!(LightPushResponse::decode_legacy(&body), Err(error));
}

#[test]
fn answers_agree_with_the_vectors_of_the_reference() {
    let response = LightPushResponse { request_id: "req-1".into(), answer: Answer::published(1) };
    assert_eq!(hex::encode(response.encode()), SUCCESS);
    assert_eq!(hex::encode(response.encode_legacy()), LEGACY_SUCCESS);
    assert_eq!(LightPushResponse::decode(&bytes(SUCCESS)), Ok(response.clone()));
    assert_eq!(LightPushResponse::decode_legacy(&bytes(LEGACY_SUCCESS)), Ok(response));
}

#[test]
fn an_answer_without_a_code_is_none() {
    assert_eq!(LightPushResponse::decode(&bytes("0a0172")), Err(DecodeError::Missing("status_code")));
    assert_eq!(LightPushResponse::decode_legacy(&bytes("0a0172")), Err(DecodeError::Missing("response")));
    assert_eq!(LightPushResponse::decode_legacy(&bytes("1a00")), Err(DecodeError::Missing("is_success")));
}

#[test]
fn texts_of_version_2_are_those_of_live_nodes_and_tell_the_status() {
    let info = |answer: Answer| {
        let body = LightPushResponse { request_id: String::new(), answer }.encode_legacy();
        LightPushResponse::decode_legacy(&body).expect("well formed").answer
    };
    let no_peers = info(Answer::refused(Status::NoPeersToRelay, "No peers for topic, skipping publish"));
    assert_eq!(no_peers.description.as_deref(), Some("not_published_to_any_peer"));
    assert_eq!(no_peers.status, Status::NoPeersToRelay);
    let limited = info(Answer::rate_limited());
    assert_eq!(limited.description.as_deref(), Some("TOO_MANY_REQUESTS"));
    assert_eq!(limited.status, Status::TooManyRequests);
    for (status, why) in [
        (Status::InvalidMessage, "RLN validation failed"),
        (Status::OutOfRlnProof, "could not generate rln proof: no membership"),
        (Status::OutOfRlnProof, "could not get new message id to generate an rln proof: limit"),
        (Status::PayloadTooLarge, "Message size exceeded maximum of 153600 bytes"),
        (Status::BadRequest, "decode_rpc_failure: the input ends inside a field"),
        (Status::BadRequest, "empty_request_body_failure"),
        (Status::InternalError, "something else"),
    ] {
        let answer = info(Answer::refused(status, why));
        assert_eq!(answer.status, status, "{why}");
        assert!(answer.description.expect("a text").starts_with(why));
    }
}

fn any_topic() -> impl Strategy<Value = PubsubTopic> {
    (0..=9_u16).prop_map(|shard| format!("/waku/2/rs/1/{shard}").parse().expect("topic"))
}

prop_compose! {
    fn any_message()(
        content_topic in "[^\\s]\\PC{0,20}",
        payload in vec(any::<u8>(), 0..200),
        nanos: i64,
        ephemeral: bool,
    ) -> WakuMessage {
        WakuMessage {
            payload: payload.into(),
            content_topic: ContentTopic::new(&content_topic).expect("topic"),
            timestamp: Timestamp::from_nanos(nanos),
            ephemeral,
            ..least_message()
        }
    }
}

proptest! {
    #[test]
    fn requests_survive_the_wire(
        topic in option::of(any_topic()),
        message in any_message(),
        request_id in "\\PC{0,20}",
    ) {
        let asked = Ok(Request { topic, encoded_size: encoded_len(&message), message: message.clone() });
        let body = encode_lightpush_request(&request_id, topic, &message);
        let legacy = encode_legacy_lightpush_request(&request_id, topic, &message);
        let expected = LightPushRequest { request_id, asked };
        prop_assert_eq!(&LightPushRequest::decode(&body), &expected);
        prop_assert_eq!(&LightPushRequest::decode_legacy(&legacy), &expected);
    }

    #[test]
    fn responses_survive_the_wire(
        code: u32,
        description in option::of("\\PC{0,20}"),
        relay_peers: Option<u32>,
        request_id in "\\PC{0,20}",
    ) {
        let answer = Answer { status: Status::from_code(code), description, relay_peers };
        let response = LightPushResponse { request_id, answer };
        prop_assert_eq!(LightPushResponse::decode(&response.encode()), Ok(response));
    }

    #[test]
    fn no_bytes_make_the_decoders_panic(body in vec(any::<u8>(), 0..200)) {
        let body = Bytes::from(body);
        let _ = LightPushRequest::decode(&body);
        let _ = LightPushRequest::decode_legacy(&body);
        let _ = LightPushResponse::decode(&body);
        let _ = LightPushResponse::decode_legacy(&body);
    }
}
