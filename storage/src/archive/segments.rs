//! Placeholder until the backend lands.

use std::{path::Path, sync::Arc};

use super::{Archive, OpenArchiveError, Options, oracle::Oracle};

pub(super) fn open(_folder: &Path, _options: Options) -> Result<Arc<dyn Archive>, OpenArchiveError> {
    Ok(Arc::new(Oracle::default()))
}
