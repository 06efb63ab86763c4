//! A whole comparison: every engine alone in a process of its own, then all of them in this one.

use std::path::Path;

use crate::{
    CompareError, Contestant, EngineError, Footprint, Report, Settings, compare, footprint,
    footprint::footprint_of_child,
};

/// What a program compares, and how it starts itself.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The engines, ours first.
    pub contestants: &'a [Contestant],
    /// What comes before `--footprint-of <engine>` and `--table-cache <file>` on this program's command
    /// line. It then has to print [`Run::footprint_json`].
    pub own_arguments: &'a [&'a str],
}

impl Run<'_> {
    /// Measures everything.
    pub fn compare(&self, settings: &Settings) -> Result<Report, CompareError> {
        let footprints = self.footprints()?;
        Ok(compare(self.contestants, settings)?.with_footprints(footprints))
    }

    /// What [`footprint`] finds of the engine with this name.
    pub fn footprint_json(&self, name: &str, table_cache: Option<&Path>) -> Result<String, CompareError> {
        let contestant = self.contestants.iter().find(|contestant| contestant.name == name);
        let contestant = contestant.ok_or_else(|| CompareError::UnknownEngine(name.to_owned()))?;
        Ok(serde_json::json!(footprint(contestant, table_cache)?).to_string())
    }

    /// Each engine twice with one file for tables: the first process finds none, the second those of
    /// the first. An engine without tables is measured once.
    fn footprints(&self) -> Result<Vec<Footprint>, CompareError> {
        let mut footprints = Vec::new();
        let folder = tempfile::tempdir().map_err(|error| CompareError::Workload(EngineError::peer(error)))?;
        for contestant in self.contestants {
            let cache = folder.path().join(contestant.name);
            let cache = cache.to_string_lossy();
            let mut arguments = self.own_arguments.to_vec();
            arguments.extend(["--footprint-of", contestant.name, "--table-cache", &cache]);
            let child = || {
                footprint_of_child(&arguments)
                    .map_err(|source| CompareError::Engine { engine: contestant.name, source })
            };
            let first = child()?;
            let has_tables = first.tables.is_some();
            footprints.push(first);
            if has_tables {
                footprints.push(child()?);
            }
        }
        Ok(footprints)
    }
}
