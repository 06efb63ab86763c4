//! Rules of the archive.

use std::path::Path;

use weir_storage::archive::{Location, Retention};

use super::{pick, take};
use crate::config::{
    ConfigError, Secret, Setting, StoreConfig,
    layers::{Given, Layers},
};

/// One connection to write and one to read.
const LEAST_CONNECTIONS: u32 = 2;

/// PostgreSQL itself gives 100 unless told otherwise, and each is a process of the server.
const MOST_CONNECTIONS: u32 = 1000;

pub(super) fn validate(layers: &Layers, data_dir: &Path) -> Result<Option<StoreConfig>, ConfigError> {
    let switch = take!(layers, store.store);
    let migration = pick!(layers, store.store_message_db_migration);
    if !switch.value {
        refuse_settings_without_effect(layers, &switch.setting)?;
        return Ok(None);
    }
    if let Some(migration) = migration.filter(|migration| !migration.value) {
        return Err(ConfigError::NotServed {
            setting: migration.setting,
            feature: "an archive that is not brought up to date",
            accepted: &["true"],
        });
    }
    let connections = take!(layers, store.store_max_num_db_connections);
    if !(LEAST_CONNECTIONS..=MOST_CONNECTIONS).contains(&connections.value) {
        return Err(ConfigError::ArchiveConnections {
            setting: connections.setting,
            connections: connections.value,
            least: LEAST_CONNECTIONS,
            most: MOST_CONNECTIONS,
        });
    }
    Ok(Some(StoreConfig {
        location: location(pick!(layers, store.store_message_db_url), data_dir)?,
        retention: retention(take!(layers, store.store_message_retention_policy))?,
        connections: connections.value as usize,
        resume: take!(layers, store.store_resume).value,
    }))
}

fn location(url: Option<Given<Secret>>, data_dir: &Path) -> Result<Location, ConfigError> {
    let Some(Given { value: url, setting }) = url else { return Ok(Location::within(data_dir)) };
    Location::named(url.expose(), data_dir).map_err(|source| ConfigError::ArchiveUrl { setting, source })
}

fn retention(given: Given<String>) -> Result<Retention, ConfigError> {
    let Given { value, setting } = given;
    value.parse().map_err(|source| ConfigError::Retention { setting, source })
}

/// Values that keep nothing agree with an archive that is off.
fn refuse_settings_without_effect(layers: &Layers, switch: &Setting) -> Result<(), ConfigError> {
    let url = pick!(layers, store.store_message_db_url).filter(|url| !url.value.expose().is_empty());
    let policy = pick!(layers, store.store_message_retention_policy).filter(|given| given.value != "none");
    let written = [
        Given::written(url),
        Given::written(policy),
        Given::written(pick!(layers, store.store_max_num_db_connections)),
        Given::written(pick!(layers, store.store_resume).filter(|given| given.value)),
    ];
    match written.into_iter().flatten().next() {
        Some(setting) => Err(ConfigError::StoreOff { setting, switch: switch.clone() }),
        None => Ok(()),
    }
}
