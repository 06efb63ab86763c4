//! Peer exchange v2: bytes of other implementations, and what answers mean.

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};
use weir_core::peer_exchange::{Answer, EncodedRecord, Status};
use weir_wire::{
    DecodeError, PEER_EXCHANGE_REQUEST_MAX_FRAME, PEER_EXCHANGE_RESPONSE_MAX_FRAME, PeerExchangeRequest,
    decode_peer_exchange_response, encode_peer_exchange_response,
};

/// From the reference: 5 peers.
const REQUEST: &str = "0a02080512025000";

fn bytes(hex: &str) -> Bytes {
    hex::decode(hex).expect("hex").into()
}

fn answer(hex: &str) -> Answer {
    decode_peer_exchange_response(&bytes(hex)).expect("well formed")
}

fn record(byte: u8) -> EncodedRecord {
    EncodedRecord::new(vec![byte].into()).expect("short")
}

#[test]
fn the_request_of_the_reference_is_read_and_written() {
    assert_eq!(PeerExchangeRequest::decode(&bytes(REQUEST)), Ok(PeerExchangeRequest { count: 5 }));
    assert_eq!(hex::encode(PeerExchangeRequest { count: 5 }.encode()), REQUEST);
}

#[test]
fn the_request_of_js_waku_has_no_response_in_it() {
    assert_eq!(PeerExchangeRequest::decode(&bytes("0a02083c")), Ok(PeerExchangeRequest { count: 60 }));
    assert_eq!(PeerExchangeRequest::decode(&bytes("0a00")), Ok(PeerExchangeRequest { count: 0 }));
    assert_eq!(PeerExchangeRequest::decode(&bytes("")), Err(DecodeError::Missing("query")));
}

#[test]
fn a_response_has_the_query_in_it_that_live_nodes_want_and_one_record_a_message() {
    let answer = Answer { status: Status::Success, description: None, records: vec![record(7), record(8)] };
    let body = encode_peer_exchange_response(&answer);
    assert_eq!(hex::encode(&body), "0a020800120d0a030a01070a030a010850c801");
    assert_eq!(decode_peer_exchange_response(&body), Ok(answer));
}

#[test]
fn without_a_status_peers_are_a_success_and_no_peers_are_no_service() {
    assert_eq!(answer("12050a030a0107").status, Status::Success);
    assert_eq!(answer("1200").status, Status::ServiceUnavailable);
    assert_eq!(answer("120350c801").status, Status::Success, "nobody is known");
    assert_eq!(decode_peer_exchange_response(&bytes("0a00")), Err(DecodeError::Missing("response")));
}

#[test]
fn a_record_of_impossible_length_costs_no_other() {
    let long = format!("0ab0020aad02{}", "00".repeat(301));
    let infos = format!("{long}0a000a030a0107");
    let body = format!("12{:02x}{:02x}{infos}", (infos.len() / 2) & 0x7f | 0x80, infos.len() >> 8);
    assert_eq!(answer(&body).records, [record(7)]);
}

#[test]
fn more_records_than_anybody_asks_for_are_refused() {
    let of =
        |count| encode_peer_exchange_response(&Answer { records: vec![record(1); count], ..answer("1200") });
    assert_eq!(decode_peer_exchange_response(&of(60)).map(|answer| answer.records.len()), Ok(60));
    let refused = Err(DecodeError::Range { field: "peer_infos", max: 60, value: 61 });
    assert_eq!(decode_peer_exchange_response(&of(61)), refused);
}

#[test]
fn frames_above_their_limits_are_refused() {
    let too_long = |field, max: usize| DecodeError::Range { field, max: max as u64, value: max as u64 + 1 };
    let max = PEER_EXCHANGE_REQUEST_MAX_FRAME;
    let request = PeerExchangeRequest::decode(&vec![0; max + 1]);
    assert_eq!(request, Err(too_long("peer exchange request", max)));
    let max = PEER_EXCHANGE_RESPONSE_MAX_FRAME;
    let response = decode_peer_exchange_response(&vec![0; max + 1].into());
    assert_eq!(response, Err(too_long("peer exchange response", max)));
}

proptest! {
    #[test]
    fn requests_survive_the_wire(count: u64) {
        let request = PeerExchangeRequest { count };
        prop_assert_eq!(PeerExchangeRequest::decode(&request.encode()), Ok(request));
    }

    #[test]
    fn responses_survive_the_wire(
        code: u32,
        description in option::of("\\PC{0,20}"),
        records in vec(vec(any::<u8>(), 1..=300), 0..=60),
    ) {
        let records = records.into_iter().map(|bytes| EncodedRecord::new(bytes.into()).expect("short")).collect();
        let answer = Answer { status: Status::from_code(code), description, records };
        prop_assert_eq!(decode_peer_exchange_response(&encode_peer_exchange_response(&answer)), Ok(answer));
    }

    #[test]
    fn no_bytes_make_the_decoders_panic(body in vec(any::<u8>(), 0..200)) {
        let _ = PeerExchangeRequest::decode(&body);
        let _ = decode_peer_exchange_response(&body.into());
    }
}
