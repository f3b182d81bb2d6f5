//! The archive of an image, written as it is read: executables of debug builds have 300 MB.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;

use super::{File, Image};

/// Pieces that wait while the engine takes the one before.
const PIECES_MAX: usize = 4;

/// Fewer, larger pieces cost fewer wakes; with those that wait it is half a megabyte.
const PIECE_BYTES: usize = 128 * 1024;

/// Folders that are there whatever the files are: engines mount `/etc/hosts`, the unix socket lies
/// below `/run/spur`.
const FOLDERS: &[(&str, u32)] = &[("/tmp", 0o1777), ("/etc", 0o755), ("/run/spur", 0o755)];

// === impl Image ===

impl Image {
    /// Writes the tar archive. Blocks for as long as the disk and the reader take.
    ///
    /// # Errors
    /// A file cannot be read, or has changed since; or `to` failed.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        let mut archive = Builder::new(to);
        let mut folders = BTreeSet::new();
        for (path, mode) in FOLDERS {
            add_folders(&mut archive, &mut folders, Path::new(path), *mode)?;
        }
        for file in &self.files {
            add_folders(&mut archive, &mut folders, file.path.parent().unwrap_or(Path::new("/")), 0o755)?;
            add_file(&mut archive, file)?;
        }
        add_empty(&mut archive, "etc/hosts")?;
        // By another path than its own: `$ORIGIN` is where the executable really lies.
        let entry = Path::new(Self::ENTRYPOINT[0]);
        if self.files[0].path != entry {
            let mut link = header(EntryType::Symlink, 0, 0o777);
            archive.append_link(&mut link, inside(entry), &self.files[0].path)?;
        }
        archive.into_inner()?.flush()
    }

    /// The same in pieces, for the body of a request; an error is the last of them.
    #[must_use]
    pub fn stream(self) -> mpsc::Receiver<io::Result<Bytes>> {
        // Piece of the archive -- the thread that reads files --> whoever sends the request.
        let (pieces_tx, pieces_rx) = mpsc::channel(PIECES_MAX);
        // Ends with the archive, or when nobody wants more.
        tokio::task::spawn_blocking(move || {
            let pieces = io::BufWriter::with_capacity(PIECE_BYTES, Pieces { pieces_tx: pieces_tx.clone() });
            if let Err(error) = self.write(pieces) {
                let _ = pieces_tx.blocking_send(Err(error));
            }
        });
        pieces_rx
    }
}

/// Writes into a channel.
#[derive(Debug)]
struct Pieces {
    pieces_tx: mpsc::Sender<io::Result<Bytes>>,
}

// === impl Pieces ===

impl Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let sent = self.pieces_tx.blocking_send(Ok(Bytes::copy_from_slice(piece)));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody wants the archive any more"))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn add_folders(
    archive: &mut Builder<impl Write>,
    known: &mut BTreeSet<PathBuf>,
    path: &Path,
    mode: u32,
) -> io::Result<()> {
    let mut above: Vec<&Path> = path.ancestors().collect();
    above.reverse();
    for folder in above {
        // The root is there.
        if folder == Path::new("/") || !known.insert(folder.to_owned()) {
            continue;
        }
        let mode = if folder == path { mode } else { 0o755 };
        let mut header = header(EntryType::Directory, 0, mode);
        archive.append_data(&mut header, inside(folder), io::empty())?;
    }
    Ok(())
}

fn add_file(archive: &mut Builder<impl Write>, file: &File) -> io::Result<()> {
    let File { path, size_bytes, mode } = file;
    let named = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display()));
    let opened = std::fs::File::open(path).map_err(named)?;
    if opened.metadata().map_err(named)?.len() != *size_bytes {
        return Err(changed(path));
    }
    let mut left = opened.take(*size_bytes);
    let mut header = header(EntryType::Regular, *size_bytes, *mode);
    archive.append_data(&mut header, inside(path), &mut left)?;
    // What was cut meanwhile would leave an archive that says more than it has.
    if left.limit() > 0 { Err(changed(path)) } else { Ok(()) }
}

fn changed(path: &Path) -> io::Error {
    io::Error::other(format!("`{}` has changed while it was read", path.display()))
}

fn add_empty(archive: &mut Builder<impl Write>, path: &str) -> io::Result<()> {
    archive.append_data(&mut header(EntryType::Regular, 0, 0o644), path, io::empty())
}

/// Of root and of no time, so that the same files are the same archive.
fn header(kind: EntryType, size_bytes: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size_bytes);
    header.set_mode(mode);
    header
}

/// Paths in an archive are relative to the root of the image.
fn inside(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn unpacked(archive: &[u8]) -> BTreeMap<String, (EntryType, u32, Vec<u8>)> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let (kind, mode) = (entry.header().entry_type(), entry.header().mode().unwrap());
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            if let Some(target) = entry.link_name().unwrap() {
                content = target.as_os_str().as_encoded_bytes().to_vec();
            }
            (path, (kind, mode, content))
        });
        entries.collect()
    }

    #[tokio::test]
    async fn an_archive_has_the_files_at_their_paths_and_an_entry() {
        let executable = std::env::current_exe().unwrap().canonicalize().unwrap();
        let image = Image::of(&executable).unwrap();
        let mut archive = Vec::new();
        image.write(&mut archive).unwrap();
        let found = unpacked(&archive);
        for file in &image.files {
            let (kind, _, content) = &found[inside(&file.path).to_str().unwrap()];
            assert!(kind.is_file() && *content == std::fs::read(&file.path).unwrap(), "{file:?}");
        }
        let link = executable.as_os_str().as_encoded_bytes().to_vec();
        assert_eq!(found["spur"], (EntryType::Symlink, 0o777, link));
        assert_eq!(found["etc/hosts"], (EntryType::Regular, 0o644, Vec::new()));
        assert_eq!(found["tmp"], (EntryType::Directory, 0o1777, Vec::new()));
        assert_eq!(found["run/spur"], (EntryType::Directory, 0o755, Vec::new()));

        let mut pieces = image.stream();
        let mut streamed = Vec::new();
        while let Some(piece) = pieces.recv().await {
            let piece = piece.unwrap();
            assert!(piece.len() <= PIECE_BYTES, "it is sent as it is read");
            streamed.extend_from_slice(&piece);
        }
        assert!(streamed == archive, "both are the same");
    }

    #[test]
    fn a_file_that_has_changed_makes_no_archive_and_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let executable = folder.path().join("x");
        std::fs::copy("/bin/sh", &executable).unwrap();
        let before = Image::of(&executable).unwrap();
        assert_eq!(before.name(), Image::of(&executable).unwrap().name());
        std::fs::OpenOptions::new().append(true).open(&executable).unwrap().write_all(b"x").unwrap();
        assert_ne!(before.name(), Image::of(&executable).unwrap().name());
        let error = before.write(io::sink()).unwrap_err().to_string();
        assert!(error.ends_with("x` has changed while it was read"), "{error}");
    }
}
