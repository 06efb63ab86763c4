//! Folders for the files the node makes.

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt, path::Path};

/// Makes the folder of `path` and those above it, for the owner alone; what exists stays as it is.
pub(crate) fn make_folder_of(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder_of(path))
}

/// The folder a file is in, also for a bare file name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_new_folder_is_for_its_owner_alone_and_an_old_one_stays_as_it_is() {
        let temp = tempfile::tempdir().expect("temp dir");
        let file = temp.path().join("a/b/file");
        make_folder_of(&file).expect("made");
        let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&temp.path().join("a/b")), 0o700);
        std::fs::set_permissions(temp.path().join("a/b"), PermissionsExt::from_mode(0o755)).expect("owner");
        make_folder_of(&file).expect("exists");
        assert_eq!(mode(&temp.path().join("a/b")), 0o755);
        assert_eq!(folder_of(Path::new("file")), Path::new("."));
    }
}
