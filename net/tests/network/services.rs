//! Requests to services, between nodes and from peers that do not keep to the protocol.

use std::{collections::BTreeSet, io, task::Poll, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, future::poll_fn, pin_mut};
use weir_net::{Body, DialFailure, Event, Frame, Network, RequestError, RequestId, Service};
use weir_wire::{LIGHTPUSH_REQUEST_MAX_FRAME, STORE_REQUEST_MAX_FRAME, framing::encode_frame};

use crate::{
    nodes::{LIMIT, address_of, config, drive, start, until},
    outsider::Outsider,
};

/// One that asks and serves nothing, and one that serves everything.
async fn pair() -> Vec<Network> {
    let mut server = config(1);
    server.serves = Service::ALL.into();
    let mut nodes = vec![start(config(0)).expect("starts"), start(server).expect("starts")];
    until(&mut nodes, |nodes| nodes.iter().all(|node| !node.listen_addresses().is_empty())).await;
    nodes
}

fn body(seed: u8, length: usize) -> Bytes {
    vec![seed; length].into()
}

fn frame(seed: u8, length: usize) -> Frame {
    Frame::new(&body(seed, length))
}

/// Twelve times what a stream takes before its reader has read.
const LONG: usize = 3 * 1024 * 1024;

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
async fn each_service_is_asked_on_its_own_protocol_and_its_answer_comes_back() {
    let mut nodes = pair().await;
    let server = address_of(&nodes[1]);
    for (seed, service) in (1..).zip(Service::ALL) {
        let long = if service == Service::Store { LONG } else { 1000 };
        // The first question finds no connection and makes one.
        let asked = nodes[0].ask(&server, service, frame(seed, 500));
        let (mut sent, mut answered) = (None, None);
        let (answer, (of, _)) = drive(&mut nodes, |nodes, _, event| {
            match event {
                Event::Requested { id, service: of, body: asked, .. } => {
                    assert_eq!((of, asked), (service, Body::Whole(body(seed, 500))));
                    nodes[1].answer(id, frame(seed + 100, long));
                }
                Event::AnswerSent(of, id) => sent = Some((of, id)),
                Event::Answered { id, result } if id == asked => answered = Some(result.expect("an answer")),
                _ => {}
            }
            if sent.is_some() { answered.take().zip(sent) } else { None }
        })
        .await;
        assert_eq!((answer, of), (body(seed + 100, long), service));
    }
}

#[tokio::test]
async fn only_what_a_node_serves_is_known_of_it() {
    let mut some = config(1);
    some.serves = [Service::Store, Service::LightPush].into();
    let mut nodes = vec![start(config(0)).expect("starts"), start(some).expect("starts")];
    until(&mut nodes, |nodes| nodes.iter().all(|node| !node.listen_addresses().is_empty())).await;
    let (asker, server) = (address_of(&nodes[0]), address_of(&nodes[1]));
    nodes[0].dial(&server);
    let mut told = [None, None];
    drive(&mut nodes, |_, index, event| {
        if let Event::Identified { identity, .. } = event {
            let is_told = |service: &Service| identity.protocols.iter().any(|id| id == service.protocol());
            told[index] = Some(Service::ALL.into_iter().filter(is_told).collect::<BTreeSet<_>>());
        }
        (told[0].is_some() && told[1].is_some()).then_some(())
    })
    .await;
    let served = [Service::Store, Service::LightPush].into();
    assert_eq!(told, [Some(served), Some(BTreeSet::new())], "the first identify has them all");
    for (from, to, service) in [(0, &server, Service::LegacyLightPush), (1, &asker, Service::Store)] {
        nodes[from].ask(to, service, frame(1, 9));
        assert_eq!(failure_of(&mut nodes).await, RequestError::Unsupported);
    }
}

async fn failure_of(nodes: &mut [Network]) -> RequestError {
    drive(nodes, |_, _, event| match event {
        Event::Answered { result, .. } => Some(result.expect_err("no answer")),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_question_to_a_peer_that_cannot_be_reached_fails() {
    let mut nodes = pair().await;
    let own = address_of(&nodes[0]);
    nodes[0].ask(&own, Service::Store, frame(1, 9));
    assert_eq!(failure_of(&mut nodes).await, RequestError::NotReached(DialFailure::OwnAddress));
    let gone = address_of(&nodes[1]);
    nodes.truncate(1);
    nodes[0].ask(&gone, Service::Store, frame(1, 9));
    assert!(matches!(failure_of(&mut nodes).await, RequestError::NotReached(DialFailure::Unreachable(_))));
}

#[tokio::test]
async fn a_request_whose_peer_goes_is_abandoned_and_its_answer_dropped() {
    let mut nodes = pair().await;
    let (asker, server) = (nodes[0].local_peer(), address_of(&nodes[1]));
    nodes[0].ask(&server, Service::Store, frame(1, 9));
    let abandoned = drive(&mut nodes, |nodes, _, event| match event {
        Event::Requested { peer, .. } => {
            assert_eq!(peer, asker);
            nodes[1].disconnect(&peer);
            None
        }
        Event::Abandoned(Service::Store, id) => Some(id),
        _ => None,
    })
    .await;
    nodes[1].answer(abandoned, frame(2, 9));
}

#[tokio::test]
async fn a_request_that_is_refused_ends_without_an_answer() {
    let mut nodes = pair().await;
    let server = address_of(&nodes[1]);
    nodes[0].ask(&server, Service::Filter, frame(1, 9));
    let (mut abandoned, mut failed) = (false, None);
    let error = drive(&mut nodes, |nodes, _, event| {
        match event {
            Event::Requested { id, .. } => nodes[1].refuse(id),
            Event::Abandoned(Service::Filter, RequestId(0)) => abandoned = true,
            Event::Answered { result, .. } => failed = Some(result.expect_err("no answer")),
            _ => {}
        }
        if abandoned { failed.take() } else { None }
    })
    .await;
    assert!(matches!(error, RequestError::Unreadable(_)), "{error}");
}

#[tokio::test]
async fn a_peer_that_speaks_mplex_reads_to_the_end_of_the_stream() {
    for service in Service::ALL {
        for mut outsider in [Outsider::new(service.protocol()), Outsider::with_mplex(service.protocol())] {
            let mut nodes = pair().await;
            let server = address_of(&nodes[1]);
            let said = async {
                outsider.connect(&server).await;
                outsider.say(encode_frame(&body(1, 500)).to_vec()).await.expect("an answer")
            };
            let on = |node: &mut Network, event: Event| {
                if let Event::Requested { id, .. } = event {
                    node.answer(id, frame(2, 4000));
                }
            };
            let answered = while_served(&mut nodes, on, said).await;
            assert_eq!(answered, encode_frame(&body(2, 4000)), "{service:?}");
        }
    }
}

#[tokio::test]
async fn a_light_push_that_is_too_large_is_read_to_its_end_and_answered() {
    let mut nodes = pair().await;
    let server = address_of(&nodes[1]);
    let mut outsider = Outsider::with_mplex(Service::LightPush.protocol());
    let said = async {
        outsider.connect(&server).await;
        let mut answers = Vec::new();
        for length in [200_000, 1_000_000, LIGHTPUSH_REQUEST_MAX_FRAME] {
            answers.push(outsider.say(encode_frame(&body(1, length)).to_vec()).await.expect("an answer"));
        }
        answers
    };
    let mut bodies = Vec::new();
    let on = |node: &mut Network, event: Event| {
        if let Event::Requested { id, body, .. } = event {
            bodies.push(body);
            node.answer(id, frame(2, 9));
        }
    };
    let answers = while_served(&mut nodes, on, said).await;
    assert_eq!(answers, vec![encode_frame(&body(2, 9)).to_vec(); 3]);
    let whole = Body::Whole(body(1, 200_000));
    assert_eq!(bodies, [whole, Body::TooLong(1_000_000), Body::TooLong(LIGHTPUSH_REQUEST_MAX_FRAME)]);
}

#[tokio::test]
async fn streams_that_carry_no_frame_are_ended_without_the_owner() {
    let mut nodes = pair().await;
    let server = address_of(&nodes[1]);
    let too_long = (STORE_REQUEST_MAX_FRAME as u32 + 1) | 0x0010_0000;
    let prefix = |n: u32| vec![n as u8 | 0x80, (n >> 7) as u8 | 0x80, (n >> 14) as u8 & 0x7f];
    let mut outsider = Outsider::new(Service::Store.protocol());
    let said = async {
        outsider.connect(&server).await;
        let mut ends: Vec<io::Result<Vec<u8>>> = Vec::new();
        for bytes in [vec![], vec![0xff; 12], prefix(too_long), vec![100, 1, 2, 3]] {
            ends.push(outsider.say(bytes).await);
        }
        ends
    };
    let on = |_: &mut Network, event: Event| {
        assert!(!matches!(event, Event::Requested { .. } | Event::Abandoned(..)), "{event:?}");
    };
    for end in while_served(&mut nodes, on, said).await {
        assert!(end.is_err() || end.is_ok_and(|answer| answer.is_empty()));
    }
}

#[tokio::test]
async fn an_announced_frame_that_does_not_come_holds_up_nobody() {
    let mut nodes = pair().await;
    let server = address_of(&nodes[1]);
    let mut silent = Outsider::patient(Service::Store.protocol(), Duration::from_secs(1));
    let said = async {
        silent.connect(&server).await;
        silent.say(vec![0xff, 0xff, 0x0f]).await
    };
    let on = |node: &mut Network, event: Event| {
        if let Event::Requested { id, .. } = event {
            node.answer(id, frame(2, 9));
        }
    };
    let _ = while_served(&mut nodes, on, said).await;
    nodes[0].ask(&server, Service::Store, frame(1, 9));
    drive(&mut nodes, |nodes, _, event| match event {
        Event::Requested { id, .. } => {
            nodes[1].answer(id, frame(2, 9));
            None
        }
        Event::Answered { result, .. } => Some(result.expect("an answer")),
        _ => None,
    })
    .await;
}
