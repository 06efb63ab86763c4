//! Runs the eight-lane backend on this processor's own AVX-512 IFMA instructions and compares it, first
//! instruction by instruction with the emulation, then field operations and whole kernels with ark. For processors and emulators of them
//! that are not at hand where the tests usually run:
//!
//! ```text
//! cargo run --release -p weir-groth16 --features test-utils --example ifma_selftest
//! ```
//!
//! Exit code 0 says that everything agreed, 2 that the processor lacks the instructions, anything else
//! that something differed.

#![expect(clippy::print_stdout, reason = "what it prints is its result")]

use std::process::ExitCode;

use weir_groth16::lanes::BackendKind;
use weir_groth16::lanes::conformance::{compare_instructions, compare_with_ark};
use weir_groth16::selftest::{compare_sums, compare_transforms, compare_verdicts};

fn main() -> ExitCode {
    run(BackendKind::Portable);
    run(BackendKind::Emulated);
    if !compare_instructions() {
        println!("NOT RUN: this processor lacks AVX-512 IFMA");
        return ExitCode::from(2);
    }
    println!("PASS instructions against their emulation");
    run(BackendKind::Ifma);
    ExitCode::SUCCESS
}

fn run(kind: BackendKind) {
    println!("PASS {kind} field operations: {} pairs", compare_with_ark(kind));
    compare_transforms(kind);
    println!("PASS {kind} transforms");
    compare_sums(kind);
    println!("PASS {kind} sums over tables");
    compare_verdicts(kind);
    println!("PASS {kind} verdicts");
}
