//! Reads the environment and a file as if their settings were flags.
//!
//! Each setting becomes `--name=value` and goes through the parser of the command line, so that all
//! layers share names, syntax and rules. The settings are parsed one more at a time, so that an
//! error can name the one at fault.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    path::Path,
};

use clap::{
    Args, Command, FromArgMatches,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{ConfigError, Origin, RawConfig, Setting, layers::environment_name};

/// Variables that are no options of the node but mean something elsewhere: `WEIR_NO_SIMD` to the choice
/// of arithmetic in `weir-groth16`.
const READ_ELSEWHERE: [&str; 1] = ["WEIR_NO_SIMD"];

/// The settings in `WEIR_*` variables, and the names of those that are no setting.
///
/// An empty variable counts as unset, as shells and container tools write it.
pub(super) fn from_environment(
    environment: &BTreeMap<OsString, OsString>,
) -> Result<(RawConfig, Vec<String>), ConfigError> {
    let command = settings_command();
    let options: BTreeMap<String, String> =
        option_names(&command).map(|option| (environment_name(&option), option)).collect();
    let mut pairs = Vec::new();
    let mut unknown = Vec::new();
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with("WEIR_")) else { continue };
        match options.get(name) {
            Some(_) if value.is_empty() => {}
            Some(option) => {
                let setting = Setting::new(option.clone(), Origin::Environment);
                pairs.push((setting, option.clone(), value.clone()));
            }
            None if READ_ELSEWHERE.contains(&name) => {}
            None => unknown.push(name.to_owned()),
        }
    }
    Ok((parse(command, pairs)?, unknown))
}

/// The settings in the TOML file at `path`.
pub(super) fn from_file(path: &Path) -> Result<RawConfig, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::FileUnreadable { path: path.to_owned(), source })?;
    let table: toml::Table = text.parse().map_err(|error| not_toml(path, &text, &error))?;
    let mut pairs = Vec::new();
    for (key, value) in table {
        let setting = Setting::new(key.clone(), Origin::File(path.into()));
        if key == "config-file" {
            return Err(ConfigError::FileInFile { setting });
        }
        let Some(value) = text_of(&value) else {
            return Err(ConfigError::NotAValue { setting });
        };
        pairs.push((setting, key, value.into()));
    }
    parse(settings_command(), pairs)
}

fn not_toml(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    ConfigError::FileNotToml {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        problem: error.message().to_owned(),
    }
}

/// A TOML value as a flag would spell it; `None` for what no flag can say.
fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(value) => Some(value.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<String>> =
                items.iter().map(|item| if item.is_array() { None } else { text_of(item) }).collect();
            Some(serde_json::Value::from(items?).to_string())
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

fn settings_command() -> Command {
    RawConfig::augment_args(Command::new("settings").no_binary_name(true).disable_help_flag(true))
}

fn option_names(command: &Command) -> impl Iterator<Item = String> {
    command.get_arguments().filter_map(|arg| arg.get_long_and_visible_aliases()).flatten().map(str::to_owned)
}

fn parse(command: Command, pairs: Vec<(Setting, String, OsString)>) -> Result<RawConfig, ConfigError> {
    let mut arguments = Vec::with_capacity(pairs.len());
    let mut raw = RawConfig::default();
    for (setting, option, value) in pairs {
        arguments.push(argument(&option, &value));
        let parsed = command.clone().try_get_matches_from(&arguments);
        raw = parsed
            .and_then(|matches| RawConfig::from_arg_matches(&matches))
            .map_err(|error| refusal(setting, &error))?;
    }
    Ok(raw)
}

fn argument(option: &str, value: &OsStr) -> OsString {
    let mut argument = OsString::from(format!("--{option}="));
    argument.push(value);
    argument
}

fn refusal(setting: Setting, error: &clap::Error) -> ConfigError {
    if error.kind() == ErrorKind::UnknownArgument {
        let similar = match error.get(ContextKind::SuggestedArg) {
            Some(ContextValue::String(option)) => Some(option.trim_start_matches('-').to_owned()),
            _ => None,
        };
        return ConfigError::UnknownSetting { setting, similar };
    }
    // The first paragraph says what is wrong; the rest speaks of a command line.
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let lines: Vec<&str> = paragraph.trim_start_matches("error: ").lines().map(str::trim).collect();
    ConfigError::Value { setting, problem: lines.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Result<(RawConfig, Vec<String>), ConfigError> {
        from_environment(&variables.iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    #[test]
    fn variables_are_named_after_options_and_hold_plain_text() {
        let (raw, unknown) = environment(&[
            ("WEIR_TCP_PORT", "60001"),
            ("WEIR_REST", "true"),
            ("WEIR_SHARD", "[1,2]"),
            ("WEIR_LOCAL_STORAGE_PATH", "/var/lib/weir"),
            ("WEIR_NODEKEY", ""),
            ("WEIR_SERVICE_HOST", "10.0.0.1"),
            ("WEIR_NO_SIMD", "1"),
            ("PATH", "/bin"),
        ])
        .expect("valid");
        assert_eq!(raw.network.tcp_port, Some(60001));
        assert_eq!(raw.rest.rest, Some(true));
        assert_eq!(raw.relay.shard.map(|shards| shards[0].0.clone()), Some(vec!["1".into(), "2".into()]));
        assert_eq!(raw.general.data_dir, Some("/var/lib/weir".into()));
        assert!(raw.network.nodekey.is_none());
        assert_eq!(unknown, ["WEIR_SERVICE_HOST"]);
    }

    #[test]
    fn a_bad_variable_is_named_with_what_is_wrong() {
        let error = environment(&[("WEIR_REST_PORT", "8645"), ("WEIR_TCP_PORT", "many")]).expect_err("bad");
        let text = error.to_string();
        assert!(text.starts_with("WEIR_TCP_PORT: "), "{text}");
        assert!(text.contains("invalid value 'many'"), "{text}");
        assert!(!text.contains("--help"), "{text}");
    }
}
