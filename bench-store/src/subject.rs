//! What is measured.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use weir_core::store::{Page, Query, StoredMessage};
use weir_storage::archive::{self, Archive, ArchiveError, Location, Options, Summary, Trim};

use crate::BenchError;

/// An archive, filled and asked.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    archive: Arc<dyn Archive>,
}

impl Subject {
    /// Opens the archive at `location`, which must hold nothing.
    pub(crate) async fn start(location: Location) -> Result<Self, BenchError> {
        let archive = blocking(move || archive::open(&location, Options::default())).await?;
        let subject = Self { archive };
        match subject.summary().await?.messages {
            0 => Ok(subject),
            messages => Err(BenchError::NotEmpty(messages)),
        }
    }

    /// Keeps `messages`; they are on disk when it returns.
    pub(crate) async fn keep(&self, messages: Vec<StoredMessage>) -> Result<(), BenchError> {
        self.with_archive(move |archive| archive.insert(&messages)).await?;
        Ok(())
    }

    /// Asks through the node's store service.
    pub(crate) async fn ask(&self, query: Query) -> Result<Page, BenchError> {
        self.with_archive(move |archive| archive.query(&query, &|| true)).await
    }

    pub(crate) async fn summary(&self) -> Result<Summary, BenchError> {
        self.with_archive(|archive| archive.summary()).await
    }

    /// Drops every message.
    pub(crate) async fn empty(&self) -> Result<(), BenchError> {
        while self.with_archive(|archive| archive.trim(Trim::ToCount(0))).await?.more {}
        Ok(())
    }

    async fn with_archive<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Archive) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T, BenchError> {
        let archive = Arc::clone(&self.archive);
        Ok(blocking(move || work(&*archive)).await?)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
