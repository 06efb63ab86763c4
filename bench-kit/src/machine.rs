//! What the figures were measured on.

use std::{fmt, fs, thread};

use serde::Serialize;

/// The machine, as far as it matters for how fast something is.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// What the processor calls itself.
    pub cpu_model: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// Instruction sets that matter for arithmetic and are there.
    pub cpu_features: Vec<&'static str>,
}

impl Machine {
    /// The machine that this runs on.
    pub fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            cpu_model: cpu_model(&cpuinfo).unwrap_or("unknown").to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            cpu_features: cpu_features(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let features = if self.cpu_features.is_empty() { "none" } else { &self.cpu_features.join(" ") };
        write!(f, "{} ({} cores; {features})", self.cpu_model, self.cores)
    }
}

/// Processes that wanted a processor, the mean of the last minute; 0 where the system does not tell.
pub fn load() -> f64 {
    let averages = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    averages.split_whitespace().next().and_then(|minute| minute.parse().ok()).unwrap_or(0.0)
}

/// The model of the first processor in the text of `/proc/cpuinfo`.
fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let (_, model) = cpuinfo.lines().find(|line| line.starts_with("model name"))?.split_once(':')?;
    Some(model.trim())
}

fn cpu_features() -> Vec<&'static str> {
    macro_rules! present {
        ($detect:ident: $($feature:tt),+) => {
            [$(($feature, std::arch::$detect!($feature))),+]
                .into_iter()
                .filter_map(|(feature, is_present)| is_present.then_some(feature))
                .collect()
        };
    }
    #[cfg(target_arch = "x86_64")]
    return present!(is_x86_feature_detected: "adx", "avx2", "avx512f", "avx512ifma", "avx512vl", "bmi2");
    #[cfg(target_arch = "aarch64")]
    return present!(is_aarch64_feature_detected: "neon", "sve", "sve2");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return Vec::new();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_that_of_the_first_processor() {
        let cpuinfo = "processor\t: 0\nmodel name\t: A: fast one\n\nprocessor\t: 1\nmodel name\t: other\n";
        assert_eq!(cpu_model(cpuinfo), Some("A: fast one"));
        assert_eq!(cpu_model(""), None);
    }
}
