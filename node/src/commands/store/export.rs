//! `weir store export`: an archive, or a part of it, as a stream of records (`weir_wire::encode_archive_record`).

use std::{
    fmt,
    fs::{self, File},
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
    process,
};

use weir_storage::archive::Archive;
use weir_wire::encode_archive_record;

use super::{StoreCommandError, open, selection::Selection};
use crate::{
    cli::ExportArgs,
    output::{
        self,
        progress::{Progress, Unit},
    },
};

/// Writes the selected messages, the oldest first, and says on standard error how many there were.
pub(super) fn export(arguments: &ExportArgs) -> Result<(), StoreCommandError> {
    let archive = open(&arguments.archive)?;
    let selection = Selection::new(&arguments.selection);
    let exported = if arguments.output == Path::new("-") {
        to_standard_output(archive.as_ref(), &selection)?
    } else {
        to_file(archive.as_ref(), &selection, &arguments.output)?
    };
    output::note(exported);
    Ok(())
}

/// What was written.
#[derive(Debug, Default)]
struct Exported {
    messages: u64,
    bytes: u64,
}

fn to_standard_output(archive: &dyn Archive, selection: &Selection) -> Result<Exported, StoreCommandError> {
    let out = io::stdout().lock();
    if out.is_terminal() {
        return Err(StoreCommandError::Terminal("--output"));
    }
    write_records(archive, selection, BufWriter::new(out), &StoreCommandError::Output)
}

/// A file has its name only when it is complete and on the disk. What is no file, such as a pipe, is written to as
/// it is.
fn to_file(archive: &dyn Archive, selection: &Selection, path: &Path) -> Result<Exported, StoreCommandError> {
    let failed = |source| StoreCommandError::File { path: path.to_owned(), source };
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        let file = File::options().write(true).open(path).map_err(failed)?;
        return write_records(archive, selection, BufWriter::new(file), &failed);
    }
    let partial = PartialFile::create(path).map_err(failed)?;
    let exported = write_records(archive, selection, BufWriter::new(&partial.file), &failed)?;
    partial.complete().map_err(failed)?;
    Ok(exported)
}

fn write_records(
    archive: &dyn Archive,
    selection: &Selection,
    mut out: impl Write,
    failed: &dyn Fn(io::Error) -> StoreCommandError,
) -> Result<Exported, StoreCommandError> {
    let failed = |messages, error: io::Error| match error.kind() {
        io::ErrorKind::BrokenPipe => StoreCommandError::ReaderLeft(messages),
        _ => failed(error),
    };
    let mut progress = Progress::new(Unit::Messages, Some(archive.summary()?.messages));
    let mut exported = Exported::default();
    selection.for_each(archive, |seen, message| {
        let record = encode_archive_record(message);
        out.write_all(&record).map_err(|error| failed(exported.messages, error))?;
        exported.messages += 1;
        exported.bytes += record.len() as u64;
        progress.set(seen);
        Ok(())
    })?;
    out.flush().map_err(|error| failed(exported.messages, error))?;
    Ok(exported)
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exported {} messages in {} bytes", self.messages, self.bytes)
    }
}

/// A file that gets its name when it is complete, and is removed when it is not.
#[derive(Debug)]
struct PartialFile {
    file: File,
    at: PathBuf,
    path: PathBuf,
}

impl PartialFile {
    fn create(path: &Path) -> io::Result<Self> {
        // Through a link, so that the link stays and its target is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut at = path.clone().into_os_string();
        // Of this process alone: two exports to one file are not mixed, the later one replaces the other.
        at.push(format!(".{}.partial", process::id()));
        let at = PathBuf::from(at);
        Ok(Self { file: File::create(&at)?, at, path })
    }

    fn complete(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.at, &self.path)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // Not there when it got its name. What cannot be removed is named as what it is.
        let _ = fs::remove_file(&self.at);
    }
}
