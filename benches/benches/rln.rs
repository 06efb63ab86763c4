//! What RLN costs: a proof, its check, and the membership tree.
//!
//! `cargo bench -p weir-benches --bench rln`

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand::{SeedableRng, rngs::StdRng};
use weir_core::Timestamp;
use weir_rln::{
    EngineSettings, EpochLength, Identity, MembershipIndex, MerkleTree, MessageId, ProofClaim, Prover,
    RateCommitment, UserMessageLimit, Verifier,
    test_utils::{Member, message},
};

/// Members of the tree that is measured: a busy network of today.
const MEMBERS: u32 = 10_000;

fn rln_proof(criterion: &mut Criterion) {
    let length = EpochLength::new(600).expect("a positive length");
    let member = Member::new(1, 100);
    let message = message("hello", Timestamp::from_secs(1_700_000_000));
    let request = member.request(&message, length, MessageId(0));
    let prover = Prover::load(&EngineSettings::default()).expect("the built-in key is sound");
    let proof = prover.prove(&request).expect("the request is within the limit");
    let claim = ProofClaim::parse(&proof).expect("the prover's own proof parses");
    let verifier = Verifier::load().expect("the built-in key is sound");
    assert!(verifier.verify(&claim));

    criterion.bench_function("rln_verify", |bencher| bencher.iter(|| verifier.verify(black_box(&claim))));
    let mut group = criterion.benchmark_group("rln_prove");
    group
        .sample_size(20)
        .bench_function("prove", |bencher| bencher.iter(|| prover.prove(black_box(&request))));
    group.finish();
}

fn merkle_tree(criterion: &mut Criterion) {
    let mut random = StdRng::seed_from_u64(1);
    let limit = UserMessageLimit::new(100).expect("in range");
    let commitments: Vec<RateCommitment> = (0..MEMBERS)
        .map(|_| RateCommitment::new(Identity::generate(&mut random).commitment(), limit))
        .collect();
    let leaves = || commitments.iter().enumerate().map(|(index, leaf)| (index_of(index), Some(*leaf)));
    let mut tree = MerkleTree::new();
    tree.update(leaves());
    let path = tree.path(index_of(4321)).expect("the leaf was set");

    let mut group = criterion.benchmark_group("merkle_tree");
    group.bench_function("set", |bencher| {
        bencher.iter_batched_ref(
            || tree.clone(),
            |tree| tree.set(index_of(MEMBERS as usize), commitments[0]),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("path", |bencher| bencher.iter(|| tree.path(black_box(index_of(4321)))));
    group.bench_function("root_of_path", |bencher| {
        bencher.iter(|| path.root_of(black_box(commitments[4321])));
    });
    group.sample_size(10).bench_function("update_with_10000", |bencher| {
        bencher.iter(|| {
            let mut tree = MerkleTree::new();
            tree.update(leaves());
            tree.root()
        });
    });
    group.finish();
}

fn index_of(index: usize) -> MembershipIndex {
    u32::try_from(index).ok().and_then(|index| MembershipIndex::new(index).ok()).expect("below 2^20")
}

criterion_group!(benches, rln_proof, merkle_tree);
criterion_main!(benches);
