//! Counters of a metrics page, and what a run added to them.

use std::collections::BTreeMap;

/// Series by name with labels, as printed.
pub(crate) type Counters = BTreeMap<String, f64>;

/// The series whose values only grow: names in `_total`. Gauges say nothing about a run.
pub(crate) fn parse(page: &str) -> Counters {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            // Labels may hold blanks, the value does not; nwaku appends no timestamps.
            let (series, value) = line.trim().rsplit_once(' ')?;
            let name = series.split('{').next()?;
            name.ends_with("_total").then_some((series.to_owned(), value.parse().ok()?))
        })
        .collect()
}

/// What was added to each counter, without those that stood still.
pub(crate) fn changes(before: &[Counters], after: &[Counters]) -> Vec<Counters> {
    let added = |(before, after): (&Counters, &Counters)| {
        let change = |(series, value): (&String, &f64)| {
            let added = value - before.get(series).unwrap_or(&0.0);
            (added != 0.0).then(|| (series.clone(), added))
        };
        after.iter().filter_map(change).collect()
    };
    before.iter().zip(after).map(added).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_counters_that_moved_are_told() {
        let before = parse("# HELP a_total x\na_total 5\nb_total{t=\"x y\"} 1\nmemory 7\n");
        let after = parse("a_total 5\nb_total{t=\"x y\"} 4\nc_total 2.5\nmemory 9\n");
        let expected = [("b_total{t=\"x y\"}".to_owned(), 3.0), ("c_total".to_owned(), 2.5)];
        assert_eq!(changes(&[before], &[after]), [Counters::from(expected)]);
    }
}
