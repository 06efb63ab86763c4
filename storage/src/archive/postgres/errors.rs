//! What PostgreSQL's errors mean for an archive.

use std::error::Error;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

use super::{super::ArchiveError, schema::SchemaError};

/// Why the server could not be used.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// It answered, and will not answer otherwise until the operator changes something.
    Refused(String),
    /// It may answer later.
    Unreachable(String),
}

impl From<PoolError> for ConnectError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(TimeoutType::Wait) => Self::Unreachable("all connections are busy".to_owned()),
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
                Self::Unreachable("the server does not answer".to_owned())
            }
            error @ (PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_)) => {
                Self::Unreachable(error.to_string())
            }
        }
    }
}

impl From<tokio_postgres::Error> for ConnectError {
    fn from(error: tokio_postgres::Error) -> Self {
        let refusals = [
            SqlState::INVALID_PASSWORD,
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            SqlState::INVALID_CATALOG_NAME,
            SqlState::INSUFFICIENT_PRIVILEGE,
        ];
        // A URL without a password, or a way to log in that we do not have: the client tells, not the server.
        let cannot_log_in = error.to_string().starts_with("invalid configuration")
            || error.to_string().starts_with("authentication error");
        match error.code() {
            Some(code) if refusals.contains(code) => Self::Refused(text(&error)),
            None if cannot_log_in => Self::Refused(text(&error)),
            _ => Self::Unreachable(text(&error)),
        }
    }
}

impl From<SchemaError> for ConnectError {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Postgres(error) => error.into(),
            newer @ SchemaError::Newer { .. } => Self::Refused(newer.to_string()),
        }
    }
}

impl From<ConnectError> for ArchiveError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused(reason) | ConnectError::Unreachable(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<tokio_postgres::Error> for ArchiveError {
    fn from(error: tokio_postgres::Error) -> Self {
        let reason = text(&error);
        match error.code() {
            Some(&SqlState::DISK_FULL) => Self::Full(reason),
            Some(&SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED) => Self::Damaged(reason),
            _ => Self::Unavailable(reason),
        }
    }
}

/// What the server said, or what the system said of the connection.
pub(in super::super) fn text(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} ({})", said.message(), said.code().code());
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
