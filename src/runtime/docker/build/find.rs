//! Which files a build is made of: its Dockerfile, what is left out, and by which names the engine
//! knows them.

use std::io;
use std::path::{Path, PathBuf};

use super::BuildError;
use super::context::{Context, Foreign, IGNORE_FILE};
use super::ignore::Ignore;

/// The Dockerfile where none is named.
const USUAL: &str = "Dockerfile";
/// The longest Dockerfile or `.dockerignore`: a hundred times what people write.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A context and the text of its Dockerfile.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) context: Context,
    pub(super) text: String,
}

/// Finds them. Blocks for some milliseconds.
pub(super) fn find(folder: &Path, named: Option<&Path>) -> Result<Found, BuildError> {
    let root = folder.canonicalize().map_err(|error| failed(folder, &error))?;
    if !root.is_dir() {
        return Err(failed(folder, &io::Error::from(io::ErrorKind::NotADirectory)));
    }
    let path = named.map_or_else(|| root.join(USUAL), Path::to_owned);
    // By its real path, as the Docker CLI does: the engine follows no link out of the context.
    let real = path.canonicalize().map_err(|error| failed(&path, &error))?;
    let dockerfile = read(&real).map_err(|error| failed(&path, &error))?;
    let inside = real.strip_prefix(&root).ok().and_then(Path::to_str).map(str::to_owned);
    if inside.is_none() && named.is_none() {
        let found = "it leads out of the context; say by `-f` that this is meant".to_owned();
        return Err(BuildError::File { path, found });
    }
    let own = ignore_file(&root, &root.join(IGNORE_FILE))?;
    // One beside the Dockerfile counts in its place
    // (https://docs.docker.com/build/concepts/context/#filename-and-location).
    let mut special = path.clone().into_os_string();
    special.push(IGNORE_FILE);
    let special = PathBuf::from(special);
    let (path, ignored) = match ignore_file(&root, &special)? {
        Some(ignored) => (special, Some(ignored)),
        None => (root.join(IGNORE_FILE), own.clone()),
    };
    let ignore = Ignore::parse(&String::from_utf8_lossy(&ignored.unwrap_or_default()))
        .map_err(|error| BuildError::File { path, found: error.to_string() })?;
    let text = String::from_utf8_lossy(&dockerfile).into_owned();
    let (dockerfile, foreign) = match inside {
        Some(inside) => (inside, None),
        None => (
            format!(".dockerfile.{}", uuid::Uuid::new_v4().simple()),
            Some(Foreign { dockerfile, ignore_file: own }),
        ),
    };
    Ok(Found { context: Context { root, ignore, dockerfile, foreign }, text })
}

/// A file that says what is left out, where it is there. As a link it may lead to a file of the context
/// only: what others have is not read, and not sent on.
fn ignore_file(root: &Path, path: &Path) -> Result<Option<Vec<u8>>, BuildError> {
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, &error)),
    };
    let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    if is_link && !real.starts_with(root) {
        let found = "it is a link that leads out of the context".to_owned();
        return Err(BuildError::File { path: path.to_owned(), found });
    }
    read(&real).map(Some).map_err(|error| failed(path, &error))
}

/// A file of a length that a text may have; a pipe would hold us up.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if metadata.len() > BYTES_MAX {
        return Err(io::Error::other(format!("it is longer than {BYTES_MAX} bytes")));
    }
    std::fs::read(path)
}

fn failed(path: &Path, error: &io::Error) -> BuildError {
    BuildError::File { path: path.to_owned(), found: error.to_string() }
}

/// The images that a Dockerfile builds on, as far as its text says: no variables, and no stages of its
/// own (<https://docs.docker.com/reference/dockerfile/#from>).
pub(super) fn bases(text: &str) -> Vec<String> {
    let mut stages = vec!["scratch".to_owned()];
    let mut bases = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if !words.next().is_some_and(|word| word.eq_ignore_ascii_case("from")) {
            continue;
        }
        let mut words = words.filter(|word| !word.starts_with("--"));
        let Some(image) = words.next() else { continue };
        if !image.contains('$') && !stages.contains(&image.to_lowercase()) {
            bases.push(image.to_owned());
        }
        if words.next().is_some_and(|word| word.eq_ignore_ascii_case("as")) {
            stages.extend(words.next().map(str::to_lowercase));
        }
    }
    bases
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(path: PathBuf, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn the_dockerfile_is_found_by_its_real_name() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("context");
        write(root.join("docker/Real"), "FROM a");
        symlink("docker/Real", root.join("Dockerfile")).unwrap();
        let found = find(&root, None).unwrap();
        assert_eq!((&*found.context.dockerfile, &*found.text), ("docker/Real", "FROM a"));
        let told = find(&root, Some(&root.join("missing"))).unwrap_err().to_string();
        assert!(told.ends_with("missing`: No such file or directory (os error 2)"), "{told}");
        let told = find(&root.join("Dockerfile"), None).unwrap_err().to_string();
        assert!(told.ends_with("not a directory"), "{told}");
    }

    #[test]
    fn what_leads_out_of_the_context_is_taken_from_those_only_who_say_so() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("context"), dir.path().join("Elsewhere"));
        write(outside.clone(), "FROM b");
        write(root.join("a"), "");
        symlink("../Elsewhere", root.join("Dockerfile")).unwrap();
        let told = find(&root, None).unwrap_err().to_string();
        assert!(told.contains("leads out of the context"), "{told}");
        let found = find(&root, Some(&outside)).unwrap().context;
        assert!(found.dockerfile.starts_with(".dockerfile.") && found.foreign.is_some());
        symlink("../Elsewhere", root.join(".dockerignore")).unwrap();
        let told = find(&root, Some(&outside)).unwrap_err().to_string();
        assert!(told.contains(".dockerignore`: it is a link that leads out"), "{told}");
    }

    #[test]
    fn what_is_left_out_is_said_beside_the_dockerfile_or_in_the_root() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path().join("Dockerfile"), "");
        write(dir.path().join("x/Other"), "");
        write(dir.path().join(".dockerignore"), "a");
        write(dir.path().join("x/Other.dockerignore"), "b");
        let is_out = |named: Option<&str>, path: &str| {
            let named = named.map(|named| dir.path().join(named));
            let found = find(dir.path(), named.as_deref()).unwrap();
            found.context.ignore.leaves_out(path, &Default::default()).0
        };
        assert!(is_out(None, "a") && !is_out(None, "b"));
        assert!(is_out(Some("x/Other"), "b") && !is_out(Some("x/Other"), "a"));
        write(dir.path().join(".dockerignore"), "a\n[");
        let told = find(dir.path(), None).unwrap_err().to_string();
        assert!(told.ends_with(".dockerignore`: line 2: `[`: syntax error in pattern"), "{told}");
    }

    #[test]
    fn bases_are_the_images_that_others_have_made() {
        let text = "ARG V=1\nfrom --platform=linux/amd64 ghcr.io/a/b:1 AS Build\nFROM build\nFROM x:${V}\n\
             FROM scratch\nRUN from here\nFROM debian";
        assert_eq!(bases(text), ["ghcr.io/a/b:1", "debian"]);
    }
}
