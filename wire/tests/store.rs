//! Store v3: bytes of other implementations, and what requests mean.

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};
use weir_core::{
    ContentTopic, MessageHash, Meta, ProofField, PubsubTopic, Timestamp, WakuMessage,
    store::{Direction, Page, PageSize, Query, Row, StoredMessage},
};
use weir_wire::{Asked, DecodeError, MalformedQuery, StoreRequest, StoreResponse, encode_store_request};

/// From the reference: `req-1`, with data, on a shard, one content topic, from a moment on, forward, 20.
const REQUEST: &str = "0a057265712d311001520e2f77616b752f322f72732f302f305a1d2f77616b752f322f64656661756c742d636f6e74656e742f70726f746f608090fca3f4efc4d72ea00301a80314";

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).expect("hex")
}

fn query_of_the_vector() -> Query {
    Query {
        include_data: true,
        pubsub_topic: Some("/waku/2/rs/0/0".parse().expect("topic")),
        content_topics: vec![ContentTopic::new("/waku/2/default-content/proto").expect("topic")],
        start: Some(Timestamp::from_secs(1_681_964_442)),
        ..Query::default()
    }
}

fn asked(hex: &str) -> Asked {
    StoreRequest::decode(&bytes(hex)).expect("well formed").asked
}

fn query(hex: &str) -> Query {
    match asked(hex) {
        Asked::Query(query) => *query,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_request_of_the_reference_is_read_and_written() {
    let request = StoreRequest::decode(&bytes(REQUEST)).expect("well formed");
    assert_eq!(request.request_id, "req-1");
    assert_eq!(request.asked, Asked::Query(Box::new(query_of_the_vector())));
    assert_eq!(hex::encode(encode_store_request("req-1", &query_of_the_vector())), REQUEST);
}

#[test]
fn what_is_left_out_does_not_restrict_and_the_direction_is_backward() {
    assert_eq!(query(""), Query { direction: Direction::Backward, ..Query::default() });
    assert_eq!(query("a00301"), Query::default());
    assert_eq!(query("a00300").direction, Direction::Backward);
    assert_eq!(query("a803ffffffffffffffffff01").page_size, PageSize::MAX);
    assert_eq!(query("9a0300").cursor, None, "an empty cursor is none");
}

#[test]
fn topics_that_no_message_has_are_answered_with_nothing() {
    let waku_1 = hex::encode("/waku/2/default-waku/proto");
    assert_eq!(asked(&format!("521a{waku_1}")), Asked::Nothing);
    assert_eq!(asked("5201ff"), Asked::Nothing, "not UTF-8");
    assert_eq!(asked("5a01ff"), Asked::Nothing);
    assert_eq!(query("5a01ff5a0174").content_topics, [ContentTopic::new("t").expect("topic")]);
}

#[test]
fn hashes_and_cursors_that_are_none_are_named_as_live_nodes_name_them() {
    let zeros = "00".repeat(32);
    for (hex, text) in [
        ("9a0301aa".to_owned(), "invalid cursor hash length: 1"),
        (format!("9a0320{zeros}"), "all zeroes cursor hash"),
        ("a20102aabb".to_owned(), "invalid message hash length: 2"),
    ] {
        let Asked::Malformed(malformed) = asked(&hex) else { panic!("{hex}") };
        assert_eq!(malformed.to_string(), text);
    }
    assert_eq!(asked("9a0301aa"), Asked::Malformed(MalformedQuery::CursorLength(1)));
}

#[test]
fn a_request_id_that_is_long_or_no_text_fails_the_request() {
    let long = format!("0a8102{}", "61".repeat(257));
    assert!(matches!(StoreRequest::decode(&bytes(&long)), Err(DecodeError::Range { value: 257, .. })));
    assert_eq!(StoreRequest::decode(&bytes("0a01ff")), Err(DecodeError::NotUtf8("request_id")));
}

#[test]
fn a_response_without_data_has_hashes_alone() {
    let row = Row { hash: MessageHash::from_bytes([7; 32]), data: None };
    let page = Page { rows: vec![row], cursor: None };
    let response = StoreResponse { request_id: "r".into(), status: 200, description: "OK".into(), page };
    let hash = "07".repeat(32);
    assert_eq!(hex::encode(response.encode()), format!("0a017250c8015a024f4ba201220a20{hash}"));
    assert_eq!(StoreResponse::decode(&response.encode()), Ok(response));
}

#[test]
fn the_only_message_is_sent_whole_however_large_and_no_page_is_said_to_follow() {
    let message = WakuMessage {
        payload: Bytes::from_static(&[7; 500]),
        content_topic: ContentTopic::new("/a/1/b/proto").expect("a topic"),
        version: 0,
        timestamp: Timestamp::from_secs(1),
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    };
    let topic = "/waku/2/rs/1/0".parse().expect("a topic");
    let page = Page { rows: vec![StoredMessage::new(topic, message).into_row(true)], cursor: None };
    let whole = StoreResponse { request_id: "id".into(), status: 200, description: "OK".into(), page };
    for direction in [Direction::Forward, Direction::Backward] {
        assert_eq!(whole.clone().fitting(direction, 0), whole);
    }
}

#[test]
fn a_response_with_more_than_a_page_is_refused() {
    let row = Row { hash: MessageHash::from_bytes([7; 32]), data: None };
    let page = Page { rows: vec![row; 101], cursor: None };
    let response = StoreResponse { request_id: String::new(), status: 200, description: String::new(), page };
    let refused = StoreResponse::decode(&response.encode());
    assert_eq!(refused, Err(DecodeError::Range { field: "messages", max: 100, value: 101 }));
}

fn any_hash() -> impl Strategy<Value = MessageHash> {
    prop::array::uniform32(1..=u8::MAX).prop_map(MessageHash::from_bytes)
}

fn any_topic() -> impl Strategy<Value = PubsubTopic> {
    (0..=9_u16).prop_map(|shard| format!("/waku/2/rs/1/{shard}").parse().expect("topic"))
}

fn any_content_topic() -> impl Strategy<Value = ContentTopic> {
    "[a-z]{1,9}".prop_map(|topic| ContentTopic::new(&topic).expect("topic"))
}

fn any_timestamp() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_nanos)
}

prop_compose! {
    fn any_query()(
        include_data in any::<bool>(),
        pubsub_topic in option::of(any_topic()),
        content_topics in vec(any_content_topic(), 0..4),
        (start, end) in (option::of(any_timestamp()), option::of(any_timestamp())),
        hashes in vec(any_hash(), 0..4),
        cursor in option::of(any_hash()),
        forward in any::<bool>(),
        page_size in 1..=100_u64,
    ) -> Query {
        let direction = if forward { Direction::Forward } else { Direction::Backward };
        let page_size = PageSize::requested(Some(page_size));
        Query { include_data, pubsub_topic, content_topics, start, end, hashes, cursor, direction, page_size }
    }
}

prop_compose! {
    fn any_row()(
        topic in any_topic(),
        content_topic in any_content_topic(),
        payload in vec(any::<u8>(), 0..64),
        timestamp in any_timestamp(),
        include_data in any::<bool>(),
    ) -> Row {
        let (payload, meta) = (Bytes::from(payload), Meta::default());
        let proof = ProofField::Absent;
        let message = WakuMessage { payload, content_topic, version: 0, timestamp, meta, ephemeral: false, proof };
        StoredMessage::new(topic, message).into_row(include_data)
    }
}

proptest! {
    #[test]
    fn requests_survive_the_wire(query in any_query(), request_id in "[0-9a-f]{0,20}") {
        let read = StoreRequest::decode(&encode_store_request(&request_id, &query));
        prop_assert_eq!(read, Ok(StoreRequest { request_id, asked: Asked::Query(Box::new(query)) }));
    }

    #[test]
    fn responses_survive_the_wire(
        rows in vec(any_row(), 0..5),
        cursor in option::of(any_hash()),
        status in any::<u32>(),
        text in "\\PC{0,20}",
    ) {
        let page = Page { rows, cursor };
        let response = StoreResponse { request_id: "id".into(), status, description: text, page };
        prop_assert_eq!(StoreResponse::decode(&response.encode()), Ok(response));
    }

    #[test]
    fn a_response_is_cut_to_its_limit_where_the_next_page_can_go_on(
        rows in vec(any_row(), 1..20),
        forward in any::<bool>(),
        max in 0..4_000_usize,
    ) {
        let direction = if forward { Direction::Forward } else { Direction::Backward };
        let page = Page { rows: rows.clone(), cursor: None };
        let whole = StoreResponse { request_id: "id".into(), status: 200, description: "OK".into(), page };
        let cut = whole.clone().fitting(direction, max);
        let kept = cut.page.rows.len();
        prop_assert!(kept == 1 || cut.encode().len() <= max);
        if kept == rows.len() {
            prop_assert_eq!(cut, whole);
        } else if forward {
            prop_assert_eq!(cut.page.cursor, Some(rows[kept - 1].hash));
            prop_assert_eq!(cut.page.rows, &rows[..kept]);
        } else {
            prop_assert_eq!(cut.page.cursor, Some(rows[rows.len() - kept].hash));
            prop_assert_eq!(cut.page.rows, &rows[rows.len() - kept..]);
        }
    }

    #[test]
    fn no_bytes_make_the_decoders_panic(body in vec(any::<u8>(), 0..200)) {
        let _ = StoreRequest::decode(&body);
        let _ = StoreResponse::decode(&body.into());
    }
}
