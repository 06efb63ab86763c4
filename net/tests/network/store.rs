//! Queries of archives, between nodes and from peers that do not keep to the protocol.

use std::{io, task::Poll, time::Duration};

use futures::{StreamExt, future::poll_fn, pin_mut};
use weir_core::{
    MessageHash,
    store::{Page, Query, Row, StoredMessage},
};
use weir_net::{DialFailure, Event, Network, StoreFrame, StoreQueryError, StoreRequestId};
use weir_wire::{
    Asked, DecodeError, STORE_REQUEST_MAX_FRAME, StoreRequest, StoreResponse, encode_store_request,
    framing::encode_frame, protocol_id,
};

use crate::{
    nodes::{LIMIT, address_of, config, drive, message, start, topic, until},
    outsider::Outsider,
};

/// An asker that serves nothing, and an archive.
async fn pair() -> Vec<Network> {
    let mut archive = config(1);
    archive.serves_store = true;
    let mut nodes = vec![start(config(0)).expect("starts"), start(archive).expect("starts")];
    until(&mut nodes, |nodes| nodes.iter().all(|node| !node.listen_addresses().is_empty())).await;
    nodes
}

fn answer(request_id: &str, page: Page) -> StoreResponse {
    StoreResponse { request_id: request_id.to_owned(), status: 200, description: "OK".to_owned(), page }
}

fn hashes(count: u8) -> Page {
    let row = |n| Row { hash: MessageHash::from_bytes([n; 32]), data: None };
    Page { rows: (0..count).map(row).collect(), cursor: None }
}

/// Twelve times what a stream takes before its reader has read: 20 messages of 150 KiB.
fn long_page() -> Page {
    let row = |seed| StoredMessage::new(topic(), message(seed, 150 * 1024)).into_row(true);
    Page { rows: (0..20).map(row).collect(), cursor: Some(MessageHash::from_bytes([9; 32])) }
}

/// Drives the nodes, showing `on` each event, beside `outside`, until that is done.
async fn while_served<T>(
    nodes: &mut [Network],
    mut on: impl FnMut(&mut Network, Event),
    outside: impl Future<Output = T>,
) -> T {
    pin_mut!(outside);
    let both = poll_fn(|cx| {
        loop {
            let mut idle = true;
            for node in nodes.iter_mut() {
                while let Poll::Ready(Some(event)) = node.poll_next_unpin(cx) {
                    idle = false;
                    on(node, event);
                }
            }
            if let Poll::Ready(answer) = outside.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            if idle {
                return Poll::Pending;
            }
        }
    });
    tokio::time::timeout(LIMIT, both).await.expect("what the test waits for does not happen")
}

#[tokio::test]
async fn a_query_reaches_an_archive_that_was_not_connected_and_its_answer_comes_back() {
    let mut nodes = pair().await;
    let archive = address_of(&nodes[1]);
    let query = Query { include_data: true, ..Query::default() };
    let asked = nodes[0].query_store(&archive, "id", &query);
    let (mut sent, mut answered) = (false, None);
    let (response, size) = drive(&mut nodes, |nodes, _, event| {
        match event {
            Event::StoreRequested { id, request, size, .. } => {
                let wanted = StoreRequest {
                    request_id: "id".to_owned(),
                    asked: Asked::Query(Box::new(query.clone())),
                };
                assert_eq!((request, size), (Ok(wanted), encode_store_request("id", &query).len()));
                nodes[1].answer_store(id, StoreFrame::new(&answer("id", long_page())));
            }
            Event::StoreAnswerSent(StoreRequestId(0)) => sent = true,
            Event::StoreAnswered { id, result } if id == asked => answered = Some(result),
            _ => {}
        }
        sent.then(|| answered.take()).flatten()
    })
    .await
    .expect("an answer");
    assert_eq!(size, response.encode().len());
    assert!(size > 3_000_000, "{size}");
    assert_eq!(response, answer("id", long_page()));
}

#[tokio::test]
async fn only_a_node_that_serves_is_known_to() {
    let mut nodes = pair().await;
    let (asker, archive) = (address_of(&nodes[0]), address_of(&nodes[1]));
    nodes[0].dial(&archive);
    let mut told = [None, None];
    drive(&mut nodes, |_, index, event| {
        if let Event::Identified { identity, .. } = event {
            told[index] = Some(identity.protocols.iter().any(|id| id == protocol_id::STORE_QUERY));
        }
        (told[0].is_some() && told[1].is_some()).then_some(())
    })
    .await;
    assert_eq!(told, [Some(true), Some(false)], "the asker hears of the archive and not the other way");
    nodes[1].query_store(&asker, "id", &Query::default());
    assert_eq!(failure_of(&mut nodes).await, StoreQueryError::Unsupported);
}

async fn failure_of(nodes: &mut [Network]) -> StoreQueryError {
    drive(nodes, |_, _, event| match event {
        Event::StoreAnswered { result, .. } => Some(result.expect_err("no answer")),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_query_to_a_peer_that_cannot_be_reached_fails() {
    let mut nodes = pair().await;
    let own = address_of(&nodes[0]);
    nodes[0].query_store(&own, "id", &Query::default());
    assert_eq!(failure_of(&mut nodes).await, StoreQueryError::NotReached(DialFailure::OwnAddress));
    let gone = address_of(&nodes[1]);
    nodes.truncate(1);
    nodes[0].query_store(&gone, "id", &Query::default());
    assert!(matches!(failure_of(&mut nodes).await, StoreQueryError::NotReached(DialFailure::Unreachable(_))));
}

#[tokio::test]
async fn a_request_whose_peer_goes_is_abandoned_and_its_answer_dropped() {
    let mut nodes = pair().await;
    let (asker, archive) = (nodes[0].local_peer(), address_of(&nodes[1]));
    nodes[0].query_store(&archive, "id", &Query::default());
    let abandoned = drive(&mut nodes, |nodes, _, event| match event {
        Event::StoreRequested { peer, .. } => {
            assert_eq!(peer, asker);
            nodes[1].disconnect(&peer);
            None
        }
        Event::StoreAbandoned(id) => Some(id),
        _ => None,
    })
    .await;
    nodes[1].answer_store(abandoned, StoreFrame::new(&answer("id", Page::default())));
}

#[tokio::test]
async fn a_peer_that_speaks_mplex_reads_to_the_end_of_the_stream() {
    for mut outsider in
        [Outsider::new(protocol_id::STORE_QUERY), Outsider::with_mplex(protocol_id::STORE_QUERY)]
    {
        let mut nodes = pair().await;
        let archive = address_of(&nodes[1]);
        let request = encode_frame(&encode_store_request("id", &Query::default())).to_vec();
        let said = async {
            outsider.connect(&archive).await;
            outsider.say(request).await.expect("an answer")
        };
        let on = |node: &mut Network, event: Event| {
            if let Event::StoreRequested { id, .. } = event {
                node.answer_store(id, StoreFrame::new(&answer("id", hashes(100))));
            }
        };
        let answered = while_served(&mut nodes, on, said).await;
        assert_eq!(answered, encode_frame(&answer("id", hashes(100)).encode()));
    }
}

#[tokio::test]
async fn bytes_that_are_no_request_reach_the_owner_and_can_be_answered() {
    let mut nodes = pair().await;
    let archive = address_of(&nodes[1]);
    let mut outsider = Outsider::new(protocol_id::STORE_QUERY);
    let refusal = StoreResponse {
        request_id: String::new(),
        status: 400,
        description: "decoding rpc failed".to_owned(),
        page: Page::default(),
    };
    let said = async {
        outsider.connect(&archive).await;
        outsider.say(encode_frame(&[0x0f; 9]).to_vec()).await.expect("an answer")
    };
    let on = |node: &mut Network, event: Event| {
        if let Event::StoreRequested { id, request, .. } = event {
            assert_eq!(request, Err(DecodeError::WireType(7)));
            node.answer_store(id, StoreFrame::new(&refusal));
        }
    };
    let answered = while_served(&mut nodes, on, said).await;
    assert_eq!(answered, encode_frame(&refusal.encode()));
}

#[tokio::test]
async fn streams_that_carry_no_frame_are_ended_without_the_owner() {
    let mut nodes = pair().await;
    let archive = address_of(&nodes[1]);
    let too_long = (STORE_REQUEST_MAX_FRAME as u32 + 1) | 0x0010_0000;
    let prefix = |n: u32| vec![n as u8 | 0x80, (n >> 7) as u8 | 0x80, (n >> 14) as u8 & 0x7f];
    let mut outsider = Outsider::new(protocol_id::STORE_QUERY);
    let said = async {
        outsider.connect(&archive).await;
        let mut ends: Vec<io::Result<Vec<u8>>> = Vec::new();
        for bytes in [vec![], vec![0xff; 12], prefix(too_long), vec![100, 1, 2, 3]] {
            ends.push(outsider.say(bytes).await);
        }
        ends
    };
    let on = |_: &mut Network, event: Event| {
        assert!(!matches!(event, Event::StoreRequested { .. } | Event::StoreAbandoned(_)), "{event:?}");
    };
    for end in while_served(&mut nodes, on, said).await {
        assert!(end.is_err() || end.is_ok_and(|answer| answer.is_empty()));
    }
}

#[tokio::test]
async fn an_announced_frame_that_does_not_come_holds_up_nobody() {
    let mut nodes = pair().await;
    let archive = address_of(&nodes[1]);
    let mut silent = Outsider::patient(protocol_id::STORE_QUERY, Duration::from_secs(1));
    let said = async {
        silent.connect(&archive).await;
        silent.say(vec![0xff, 0xff, 0x0f]).await
    };
    let on = |node: &mut Network, event: Event| {
        if let Event::StoreRequested { id, .. } = event {
            node.answer_store(id, StoreFrame::new(&answer("id", Page::default())));
        }
    };
    let _ = while_served(&mut nodes, on, said).await;
    nodes[0].query_store(&archive, "id", &Query::default());
    drive(&mut nodes, |nodes, _, event| match event {
        Event::StoreRequested { id, .. } => {
            nodes[1].answer_store(id, StoreFrame::new(&answer("id", Page::default())));
            None
        }
        Event::StoreAnswered { result, .. } => Some(result.expect("an answer")),
        _ => None,
    })
    .await;
}
