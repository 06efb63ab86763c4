//! Encoding and decoding a message with a proof, as every relayed message is once each way.
//!
//! `cargo bench -p weir-benches --bench wire_codec`

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use weir_core::{ContentTopic, Meta, ProofField, RateLimitProof, Timestamp, WakuMessage};
use weir_wire::{decode_message, encode_message};

/// A chat line, and the largest payload most networks take.
const SIZES: [usize; 2] = [1024, 150 * 1024];

fn wire_codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire_codec");
    for size in SIZES {
        let message = message(size);
        let bytes = encode_message(&message);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::new("encode", size), &message, |bencher, message| {
            bencher.iter(|| encode_message(black_box(message)));
        });
        group.bench_with_input(BenchmarkId::new("decode", size), &bytes, |bencher, bytes| {
            bencher.iter(|| decode_message(black_box(bytes)));
        });
    }
    group.finish();
}

fn message(size: usize) -> WakuMessage {
    WakuMessage {
        payload: Bytes::from(vec![0xa5; size]),
        content_topic: ContentTopic::new("/weir-bench/1/codec/proto").expect("a constant that is a topic"),
        version: 0,
        timestamp: Timestamp::from_secs(1_700_000_000),
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Present(Box::new(RateLimitProof {
            proof: [1; 128],
            merkle_root: [2; 32],
            epoch: [3; 32],
            share_x: [4; 32],
            share_y: [5; 32],
            nullifier: [6; 32],
            rln_identifier: [7; 32],
        })),
    }
}

criterion_group!(benches, wire_codec);
criterion_main!(benches);
