//! Rules of rate limiting.

use std::path::Path;

use weir_rln::{EpochLength, UserMessageLimit};

use super::{pick, take};
use crate::config::{
    ConfigError, CredentialSource, RlnConfig, Setting,
    layers::{Given, Layers},
};

pub(super) fn validate(layers: &Layers, data_dir: &Path) -> Result<Option<RlnConfig>, ConfigError> {
    let switch = take!(layers, rln.rln_relay);
    if !switch.value {
        refuse_settings_without_effect(layers, &switch.setting)?;
        return Ok(None);
    }
    let epoch = take!(layers, rln.rln_relay_epoch_sec);
    let limit = take!(layers, rln.rln_relay_user_message_limit);
    Ok(Some(RlnConfig {
        epoch_length: EpochLength::new(epoch.value).map_err(|error| ConfigError::EpochLength {
            setting: epoch.setting,
            problem: error.to_string(),
        })?,
        user_message_limit: UserMessageLimit::new(limit.value).map_err(|error| {
            ConfigError::UserMessageLimit { setting: limit.setting, problem: error.to_string() }
        })?,
        registry_path: pick!(layers, rln.rln_relay_registry_path)
            .map_or_else(|| data_dir.join("registry"), |given| given.value),
        credential: credential(layers, data_dir)?,
        longest_batch: pick!(layers, rln.rln_verify_batch_max).map(|given| given.value),
    }))
}

fn credential(layers: &Layers, data_dir: &Path) -> Result<CredentialSource, ConfigError> {
    let password = pick!(layers, rln.rln_relay_cred_password);
    if let Some(empty) = password.as_ref().filter(|password| password.value.expose().is_empty()) {
        return Err(ConfigError::PasswordEmpty { setting: empty.setting.clone() });
    }
    let path = pick!(layers, rln.rln_relay_cred_path);
    let auto_create = path.is_none();
    let path = match (path, &password) {
        (Some(path), None) => return Err(ConfigError::PasswordMissing { setting: path.setting }),
        (Some(path), Some(_)) => path.value,
        (None, _) => data_dir.join("keystore.json"),
    };
    Ok(CredentialSource { path, password: password.map(|given| given.value), auto_create })
}

fn refuse_settings_without_effect(layers: &Layers, switch: &Setting) -> Result<(), ConfigError> {
    let written = [
        Given::written(pick!(layers, rln.rln_relay_epoch_sec)),
        Given::written(pick!(layers, rln.rln_relay_user_message_limit)),
        Given::written(pick!(layers, rln.rln_relay_registry_path)),
        Given::written(pick!(layers, rln.rln_relay_cred_path)),
        Given::written(pick!(layers, rln.rln_relay_cred_password)),
        Given::written(pick!(layers, rln.rln_verify_batch_max)),
    ];
    match written.into_iter().flatten().next() {
        Some(setting) => Err(ConfigError::RlnOff { setting, switch: switch.clone() }),
        None => Ok(()),
    }
}
