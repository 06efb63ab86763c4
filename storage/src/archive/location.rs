//! Where an archive is, and how it is opened.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};
use zeroize::Zeroizing;

use super::{Archive, postgres, segments};
use crate::OpenError;

/// Where an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In files of this folder.
    Folder(PathBuf),
    /// In a database of a PostgreSQL server; several nodes may share it.
    Postgres(PostgresUrl),
}

/// The URL of a PostgreSQL database. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(Zeroizing<String>);

/// How an archive is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Connections to PostgreSQL, at most; at least 2.
    pub connections: usize,
    /// The smallest size of the archive that retention asks for, in bytes. Files are kept small enough
    /// that dropping the oldest one gives back no more than a small part of it.
    pub size_cap: Option<u64>,
}

/// Why a text is not the place of an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// A URL of something else.
    #[error("expected postgres://user:password@host:port/database, not a URL that starts with {0}:")]
    Scheme(String),
    /// Not a URL.
    #[error("expected postgres://user:password@host:port/database")]
    NoUrl,
}

/// Why an archive cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenArchiveError {
    /// A file of its folder cannot be used.
    #[error(transparent)]
    File(#[from] OpenError),
    /// PostgreSQL answered and will not answer otherwise later: a wrong password, no such database.
    #[error("PostgreSQL refused {url}: {reason}")]
    Refused {
        /// The URL without its password.
        url: String,
        /// What the server said.
        reason: String,
    },
    /// The URL has a part that is not understood or not served.
    #[error("{url}: {reason}")]
    Url {
        /// The URL without its password.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// A thread or socket could not be made.
    #[error("the archive could not be started: {0}")]
    Start(#[from] std::io::Error),
}

/// Opens the archive at `location`, or makes it.
///
/// A PostgreSQL server that cannot be reached is not an error: the archive answers
/// [`super::ArchiveError::Unavailable`] until it can.
pub fn open(location: &Location, options: Options) -> Result<Arc<dyn Archive>, OpenArchiveError> {
    match location {
        Location::Folder(folder) => segments::open(folder, options),
        Location::Postgres(url) => postgres::open(url, options),
    }
}

impl Location {
    /// Where operators say it is: at `url`, or in a folder of the node's files where that is empty.
    pub fn named(url: &str, data_dir: &Path) -> Result<Self, LocationError> {
        if url.is_empty() { Ok(Self::within(data_dir)) } else { url.parse().map(Self::Postgres) }
    }

    /// The folder of an archive among the other files of a node.
    pub fn within(data_dir: &Path) -> Self {
        Self::Folder(data_dir.join("archive"))
    }

    /// Whether it is certain that no archive is there. Of a database only its server knows.
    pub fn is_vacant(&self) -> bool {
        match self {
            Self::Folder(folder) => segments::is_vacant(folder),
            Self::Postgres(_) => false,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 50, size_cap: None }
    }
}

impl PostgresUrl {
    /// With its password, for the client alone.
    fn reveal(&self) -> &str {
        &self.0
    }

    /// As the client reads it, or why it cannot be served.
    pub(super) fn config(&self) -> Result<Config, String> {
        // The parser names the part that it does not understand and never its value.
        let mut config: Config = self.reveal().parse().map_err(|error| postgres::text(&error))?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err("sslmode=require is not supported: connections are not encrypted".to_owned());
        }
        config.ssl_mode(SslMode::Disable);
        Ok(config)
    }
}

impl FromStr for PostgresUrl {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("://") {
            Some(("postgres" | "postgresql", rest)) if !rest.is_empty() => {
                Ok(Self(Zeroizing::new(text.to_owned())))
            }
            Some((scheme, _)) => Err(LocationError::Scheme(scheme.to_owned())),
            None => Err(LocationError::NoUrl),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl fmt::Display for PostgresUrl {
    /// Made of the parts that the client understands, so that nothing of a password is taken for something else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(config) = self.reveal().parse::<Config>() else { return f.write_str("postgres://...") };
        f.write_str("postgres://")?;
        if let Some(user) = config.get_user() {
            write!(f, "{user}@")?;
        }
        let mut ports = config.get_ports().iter();
        let mut separator = "";
        for host in config.get_hosts() {
            // A folder of sockets is a parameter, not a part of the URL's place.
            let Host::Tcp(host) = host else { continue };
            // An @ in a password that is not written as %40 makes its end a part of the host.
            let host = host.rsplit_once('@').map_or(host.as_str(), |(_, host)| host);
            write!(f, "{separator}{host}")?;
            // The client fills in PostgreSQL's own port where none is given.
            if let Some(port) = ports.next().filter(|port| **port != 5432) {
                write!(f, ":{port}")?;
            }
            separator = ",";
        }
        write!(f, "/{}", config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("postgres://waku:se:cr@et@host:5433/waku", "postgres://waku@host:5433/waku"),
            ("postgres://waku:se?cret@host/waku", "postgres://waku@host/waku"),
            ("postgres://waku:se/cret@host/waku", "postgres://waku@host/waku"),
            ("postgresql://waku@host/waku?password=sec@ret", "postgres://waku@host/waku"),
            ("postgres://host/waku", "postgres://host/waku"),
            ("postgres:///waku?host=/run/postgresql", "postgres:///waku"),
            ("postgres://waku:secret", "postgres://..."),
        ] {
            let parsed: PostgresUrl = url.parse().expect("a URL");
            assert_eq!(format!("{parsed} {parsed:?}"), format!("{shown} {shown}"));
            assert_eq!(parsed.reveal(), url);
        }
    }

    #[test]
    fn other_databases_are_named() {
        for (text, error) in [
            ("sqlite://store.sqlite3", LocationError::Scheme("sqlite".to_owned())),
            ("postgres://", LocationError::Scheme("postgres".to_owned())),
            ("store.sqlite3", LocationError::NoUrl),
        ] {
            assert_eq!(text.parse::<PostgresUrl>(), Err(error), "{text}");
        }
    }
}
