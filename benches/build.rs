//! Lets `rln-compare` link two versions of zerokit's crate `rln`.
//!
//! Both export C functions under the same names, which a linker refuses. Nobody in that program calls
//! one of them, so it does not matter which version's is kept.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // As GNU ld, lld and mold spell it. Others, as macOS's, have no such option: `rln-compare` is for Linux.
    println!("cargo::rustc-link-arg-bin=rln-compare=-Wl,--allow-multiple-definition");
}
