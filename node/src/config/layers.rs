//! Layers of settings, strongest first, and where a setting's value came from.

use std::{borrow::Cow, fmt, path::Path, sync::Arc};

use super::{ConfigError, Preset, RawConfig, presets, sources};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// A `WEIR_*` variable.
    Environment,
    /// The file that `--config-file` names.
    File(Arc<Path>),
    /// The network that `--preset` names.
    Preset(Preset),
    /// Nobody said anything.
    Default,
}

/// A setting and where its value came from. Shown as the operator would look for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    name: Cow<'static, str>,
    origin: Origin,
}

impl Setting {
    /// The setting `name`, with dashes or underscores.
    pub fn new(name: impl Into<Cow<'static, str>>, origin: Origin) -> Self {
        Self { name: name.into(), origin }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let option = self.name.replace('_', "-");
        match &self.origin {
            Origin::Flag => write!(f, "--{option}"),
            Origin::Environment => write!(f, "{}", environment_name(&self.name)),
            Origin::File(path) => write!(f, "{option} in {}", path.display()),
            Origin::Preset(preset) => write!(f, "{option} of preset {preset}"),
            Origin::Default => write!(f, "{option} (default)"),
        }
    }
}

/// The environment variable of an option.
pub(super) fn environment_name(option: &str) -> String {
    format!("WEIR_{}", option.replace('-', "_").to_ascii_uppercase())
}

/// A value and the setting it is of.
#[derive(Debug, Clone)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) setting: Setting,
}

impl<T> Given<T> {
    /// Whether the operator wrote it, rather than a preset or a default.
    pub(super) const fn is_explicit(&self) -> bool {
        matches!(self.setting.origin, Origin::Flag | Origin::Environment | Origin::File(_))
    }

    /// The setting, if it was given and the operator wrote it.
    pub(super) fn written(given: Option<Self>) -> Option<Setting> {
        given.filter(Self::is_explicit).map(|given| given.setting)
    }
}

/// The layers, strongest first; the last is [`presets::defaults`].
#[derive(Debug)]
pub(super) struct Layers {
    preset: Preset,
    layers: Vec<(Origin, RawConfig)>,
}

/// Takes a setting by the path of its field, which is also its name.
macro_rules! pick {
    ($layers:expr, $group:ident.$field:ident) => {
        $layers.pick(stringify!($field), |raw| raw.$group.$field.clone())
    };
}

/// As [`pick`], for settings that have a default.
macro_rules! take {
    ($layers:expr, $group:ident.$field:ident) => {
        pick!($layers, $group.$field)
            .expect(concat!("presets or defaults have a value for ", stringify!($field)))
    };
}

pub(super) use {pick, take};

impl Layers {
    /// Puts the file, the preset and the defaults under what the operator said on the spot.
    pub(super) fn stack(flags: RawConfig, environment: RawConfig) -> Result<Self, ConfigError> {
        let layers = vec![(Origin::Flag, flags), (Origin::Environment, environment)];
        let mut stack = Self { preset: Preset::Local, layers };
        if let Some(file) = pick!(stack, general.config_file) {
            let path: Arc<Path> = file.value.into();
            let raw = sources::from_file(&path)?;
            stack.layers.push((Origin::File(path), raw));
        }
        if let Some(preset) = pick!(stack, general.preset) {
            stack.preset = preset.value;
        }
        stack.layers.push((Origin::Preset(stack.preset), stack.preset.settings()));
        stack.layers.push((Origin::Default, presets::defaults()));
        Ok(stack)
    }

    /// The network the settings start from.
    pub(super) const fn preset(&self) -> Preset {
        self.preset
    }

    /// The value of the strongest layer that has one.
    pub(super) fn pick<T>(
        &self,
        name: &'static str,
        get: impl Fn(&RawConfig) -> Option<T>,
    ) -> Option<Given<T>> {
        self.layers.iter().find_map(|(origin, raw)| {
            let value = get(raw)?;
            Some(Given { value, setting: Setting::new(name, origin.clone()) })
        })
    }
}
