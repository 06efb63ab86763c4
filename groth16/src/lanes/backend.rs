//! Which backend this machine gets.

use std::fmt;

#[cfg(any(test, feature = "test-utils"))]
use super::eight::Emulated;
#[cfg(target_arch = "x86_64")]
use super::eight::Ifma;
#[cfg(target_arch = "x86_64")]
use super::portable::PortableAdx;
use super::portable::PortablePlain;
use super::{Backend, Kernel};

/// The kinds of backends. They give equal results; rows stored by one have no meaning for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackendKind {
    /// One element at a time, on any processor.
    Portable,
    /// Eight elements at a time with the AVX-512 IFMA instructions.
    Ifma,
    /// The code of [`Self::Ifma`] with its instructions emulated, for tests alone: slow.
    #[cfg(any(test, feature = "test-utils"))]
    Emulated,
}

impl BackendKind {
    /// The fastest kind that this processor has. `WEIR_NO_SIMD=1` in the environment keeps to
    /// [`Self::Portable`], for comparisons and for processors that misbehave.
    pub fn detect() -> Self {
        if std::env::var_os("WEIR_NO_SIMD").is_some_and(|value| value == "1") {
            return Self::Portable;
        }
        if Self::Ifma.is_available() { Self::Ifma } else { Self::Portable }
    }

    /// Whether this processor can run it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Ifma => Ifma::detect().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Ifma => false,
            #[cfg(any(test, feature = "test-utils"))]
            Self::Emulated => true,
        }
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Portable => "portable",
            Self::Ifma => "ifma",
            #[cfg(any(test, feature = "test-utils"))]
            Self::Emulated => "emulated",
        })
    }
}

/// Runs `kernel` on the backend of that kind.
///
/// # Panics
///
/// When the processor lacks the kind: settings are checked with [`BackendKind::is_available`] where
/// they are read.
pub fn dispatch<K: Kernel>(kind: BackendKind, kernel: K) -> K::Output {
    match kind {
        BackendKind::Portable => run_portable(kernel),
        #[cfg(target_arch = "x86_64")]
        BackendKind::Ifma => {
            Ifma::detect().expect("the caller checked that the kind is available").run(kernel)
        }
        #[cfg(not(target_arch = "x86_64"))]
        BackendKind::Ifma => panic!("the caller checked that the kind is available"),
        #[cfg(any(test, feature = "test-utils"))]
        BackendKind::Emulated => Emulated.run(kernel),
    }
}

fn run_portable<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(backend) = PortableAdx::detect() {
        return backend.run(kernel);
    }
    PortablePlain.run(kernel)
}
