//! Where a program is, if it is installed; shared by the benches.

use std::path::{Path, PathBuf};

/// The first of its name on the path.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    // Debian has servers in a directory that is not on everybody's path.
    let dirs = path.split(':').chain(["/usr/sbin"]);
    dirs.map(|dir| Path::new(dir).join(name)).find(|path| path.is_file())
}
