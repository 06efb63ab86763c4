//! A scrape of a node's metrics.

use std::collections::BTreeMap;

/// The samples of one scrape, by name and labels.
#[derive(Debug)]
pub(crate) struct Scrape(Vec<Sample>);

#[derive(Debug, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Scrape {
    /// Reads the Prometheus text format; label values must not hold commas, as ours do not.
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(Sample::parse).collect())
    }

    /// The sum of the samples called `name` that have these labels, among others; 0 without any.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.0
            .iter()
            .filter(|sample| sample.name == name)
            .filter(|sample| {
                labels.iter().all(|&(key, value)| sample.labels.get(key).map(String::as_str) == Some(value))
            })
            .map(|sample| sample.value)
            .sum()
    }
}

impl Sample {
    fn parse(line: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}')?),
            None => (series, ""),
        };
        let labels = labels
            .split(',')
            .filter_map(|label| label.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()))
            .collect();
        Some(Self { name: name.to_owned(), labels, value: value.parse().ok()? })
    }
}

#[test]
fn samples_are_found_by_name_and_labels() {
    let scrape = Scrape::parse(
        "# TYPE weir_verdicts counter\nweir_verdicts_total{verdict=\"accept\",reason=\"none\"} 3\n\
         weir_verdicts_total{verdict=\"reject\",reason=\"no_proof\"} 2\nup 1\n# EOF\n",
    );
    assert_eq!(scrape.sum("weir_verdicts_total", &[]), 5.0);
    assert_eq!(scrape.sum("weir_verdicts_total", &[("reason", "no_proof")]), 2.0);
    assert_eq!(scrape.sum("up", &[]), 1.0);
    assert_eq!(scrape.sum("down", &[]), 0.0);
}
