//! What the files of a volume hold.
//!
//! Source of the rules about paths: `pkg/volume/util/atomic_writer.go`, `validatePath`, whose words
//! these are. Two bounds are ours: no NUL, which no file name can hold, and [`DEPTH_MAX`].

use std::collections::BTreeMap;
use std::fmt;

/// `validatePath`: the longest path and name.
const PATH_MAX_BYTES: usize = 4096;
const NAME_MAX_BYTES: usize = 255;
/// Directories in each other: each is an open descriptor while it is written, and 64 is far more
/// than anybody's configuration has.
const DEPTH_MAX: usize = 64;

/// The files of one volume, by their paths in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    pub(super) tree: Tree,
    /// The group that may read them, and owns the directories (`fsGroup`). Whoever is not root can
    /// give files to his own groups only.
    pub group: Option<u32>,
}

/// A file.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Its permissions, at most `0o777`.
    pub mode: u32,
    /// The user it is given to; Spur's own otherwise.
    pub owner: Option<u32>,
}

/// Why a file cannot be in a volume.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid path: {found}: {path}")]
pub struct PathError {
    /// As it was given.
    pub path: String,
    /// What is wrong with it.
    pub found: &'static str,
}

/// The entries of one directory.
pub(super) type Tree = BTreeMap<String, Node>;

/// A file, or a directory of more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(File),
    Directory(Tree),
}

// === impl Payload ===

impl Payload {
    /// Puts a file in, in the place of one that has this path already.
    ///
    /// # Errors
    /// When the path leads out of the volume, is reserved, or is both a file and a directory.
    pub fn insert(&mut self, path: &str, file: File) -> Result<(), PathError> {
        let fail = |found| PathError { path: path.to_owned(), found };
        let mut names = parse(path).map_err(fail)?;
        let last = names.pop().ok_or_else(|| fail("must name a file"))?;
        let mut tree = &mut self.tree;
        for name in names {
            let node = tree.entry(name.to_owned()).or_insert_with(|| Node::Directory(Tree::new()));
            tree = match node {
                Node::Directory(tree) => tree,
                Node::File(_) => return Err(fail("must not lead through a file")),
            };
        }
        if let Some(Node::Directory(_)) = tree.get(last) {
            return Err(fail("must not be a directory of other files"));
        }
        tree.insert(last.to_owned(), Node::File(file));
        Ok(())
    }

    /// The same files, given to nobody else.
    #[must_use]
    pub fn own(mut self) -> Self {
        self.group = None;
        disown(&mut self.tree);
        self
    }

    /// The file at a path that is written as `insert` keeps it.
    pub fn get(&self, path: &str) -> Option<&File> {
        let (dirs, last) = path.rsplit_once('/').map_or(("", path), |(dirs, last)| (dirs, last));
        let mut tree = &self.tree;
        for name in dirs.split('/').filter(|name| !name.is_empty()) {
            tree = match tree.get(name)? {
                Node::Directory(tree) => tree,
                Node::File(_) => return None,
            };
        }
        match tree.get(last)? {
            Node::File(file) => Some(file),
            Node::Directory(_) => None,
        }
    }

    /// The paths of all files, in order.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        collect("", &self.tree, &mut paths);
        paths
    }
}

fn disown(tree: &mut Tree) {
    for node in tree.values_mut() {
        match node {
            Node::File(file) => file.owner = None,
            Node::Directory(tree) => disown(tree),
        }
    }
}

fn collect(prefix: &str, tree: &Tree, paths: &mut Vec<String>) {
    for (name, node) in tree {
        let path = format!("{prefix}{name}");
        match node {
            Node::File(_) => paths.push(path),
            Node::Directory(tree) => collect(&format!("{path}/"), tree, paths),
        }
    }
}

/// The names along a path.
fn parse(path: &str) -> Result<Vec<&str>, &'static str> {
    if path.is_empty() {
        return Err("must not be empty");
    }
    if path.starts_with('/') {
        return Err("must be relative path");
    }
    if path.len() > PATH_MAX_BYTES {
        return Err("must be less than or equal to 4096 characters");
    }
    if path.contains('\0') {
        return Err("must not contain NUL");
    }
    if path.split('/').any(|name| name == "..") {
        return Err("must not contain '..'");
    }
    if path.split('/').any(|name| name.len() > NAME_MAX_BYTES) {
        return Err("filenames must be less than or equal to 255 characters");
    }
    let names: Vec<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    if names.first().is_some_and(|name| name.starts_with("..")) {
        return Err("must not start with '..'");
    }
    if names.len() > DEPTH_MAX {
        return Err("must not be deeper than 64 directories");
    }
    Ok(names)
}

// === impl File ===

/// Contents may be secret, so they are never shown.
impl fmt::Debug for File {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, mode, owner } = self;
        let mut shown = formatter.debug_struct("File");
        shown.field("n_bytes", &bytes.len()).field("mode", &format_args!("{mode:o}"));
        shown.field("owner", owner).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File { bytes: text.into(), mode: 0o644, owner: None }
    }

    #[test]
    fn paths_stay_in_the_volume() {
        let check = |path: &str, wanted: &str| {
            let found = Payload::default().insert(path, file("")).unwrap_err();
            assert_eq!(found.found, wanted, "{path}");
        };
        check("", "must not be empty");
        check("/etc/passwd", "must be relative path");
        check("../a", "must not contain '..'");
        check("a/../../b", "must not contain '..'");
        check("..data", "must not start with '..'");
        check("./..data", "must not start with '..'");
        check(".", "must name a file");
        check("a\0b", "must not contain NUL");
        check(&"n".repeat(256), "filenames must be less than or equal to 255 characters");
        check(&"a/".repeat(2049), "must be less than or equal to 4096 characters");
        check(&"a/".repeat(65), "must not be deeper than 64 directories");
    }

    #[test]
    fn a_path_is_a_file_or_a_directory() {
        let mut payload = Payload::default();
        payload.insert("a/./b", file("1")).unwrap();
        payload.insert("a//b", file("2")).unwrap();
        payload.insert("c..d/..e", file("3")).unwrap();
        assert_eq!(payload.paths(), ["a/b", "c..d/..e"]);
        assert_eq!(payload.get("a/b").unwrap().bytes, b"2");
        assert_eq!(payload.get("a"), None);
        assert_eq!(payload.insert("a/b/c", file("")).unwrap_err().found, "must not lead through a file");
        let found = payload.insert("a", file("")).unwrap_err().found;
        assert_eq!(found, "must not be a directory of other files");
    }

    #[test]
    fn contents_are_never_shown() {
        let shown = format!("{:?}", file("sesame"));
        assert_eq!(shown, "File { n_bytes: 6, mode: 644, owner: None }");
    }
}
