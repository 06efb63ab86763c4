//! What the figures were measured on.

use serde::Serialize;
use weir_groth16::lanes::BackendKind;

/// The machine, and what weir makes of it.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The machine itself.
    #[serde(flatten)]
    pub host: weir_bench_kit::Machine,
    /// The arithmetic that weir chose, which `WEIR_NO_SIMD=1` can change.
    pub backend: String,
}

impl Machine {
    /// The machine that this runs on.
    pub fn here() -> Self {
        Self { host: weir_bench_kit::Machine::here(), backend: BackendKind::detect().to_string() }
    }
}
