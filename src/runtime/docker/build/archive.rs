//! A tar archive of a context, in the form of GNU, where names may be of any length and bytes.
//!
//! Everything belongs to root, as the Docker CLI has it (`ChownOpts`): the layers that come of it are
//! the same for whoever builds.

use std::io::{self, Read, Write};

use bytes::Bytes;
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;

/// Pieces that wait while the engine takes the one before.
const PIECES_MAX: usize = 4;
/// Fewer, larger pieces cost fewer wakes; with those that wait it is half a megabyte.
const PIECE_BYTES: usize = 128 * 1024;
/// The name of an entry that holds the name of the next one (GNU tar, "Basic Tar Format").
const LONG_NAME: &[u8] = b"././@LongLink";

/// An archive that is being written.
pub(super) struct Archive<W: Write>(Builder<W>);

/// What is said of an entry beside its name.
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) mtime: u64,
}

/// What an entry is.
pub(super) enum Kind {
    File { size_bytes: u64 },
    Folder,
    Link { target: Vec<u8> },
}

// === impl Archive ===

impl<W: Write> Archive<W> {
    pub(super) fn new(to: W) -> Self {
        Self(Builder::new(to))
    }

    /// Adds an entry by its bytes: no name is looked at, shortened or cleaned.
    pub(super) fn add(&mut self, name: &[u8], entry: &Entry, content: impl Read) -> io::Result<()> {
        let Entry { kind, mode, mtime } = entry;
        let (entry_type, size_bytes) = match kind {
            Kind::File { size_bytes } => (EntryType::Regular, *size_bytes),
            Kind::Folder => (EntryType::Directory, 0),
            Kind::Link { .. } => (EntryType::Symlink, 0),
        };
        let mut header = header(entry_type, size_bytes);
        header.set_mode(*mode);
        header.set_mtime(*mtime);
        if let Kind::Link { target } = kind {
            let is_short = put(&mut header.as_old_mut().linkname, target);
            if !is_short {
                self.add_long(EntryType::GNULongLink, target)?;
            }
        }
        let is_short = put(&mut header.as_old_mut().name, name);
        if !is_short {
            self.add_long(EntryType::GNULongName, name)?;
        }
        header.set_cksum();
        self.0.append(&header, content)
    }

    /// The end, without which an archive is no whole one.
    pub(super) fn finish(self) -> io::Result<()> {
        self.0.into_inner()?.flush()
    }

    fn add_long(&mut self, entry_type: EntryType, name: &[u8]) -> io::Result<()> {
        let content = [name, b"\0"].concat();
        let mut header = header(entry_type, u64::try_from(content.len()).unwrap_or_default());
        put(&mut header.as_old_mut().name, LONG_NAME);
        header.set_mode(0o644);
        header.set_cksum();
        self.0.append(&header, &content[..])
    }
}

fn header(entry_type: EntryType, size_bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(entry_type);
    header.set_size(size_bytes);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Puts as much of it as there is room for; says whether that is everything.
fn put(field: &mut [u8], bytes: &[u8]) -> bool {
    let n_bytes = bytes.len().min(field.len());
    field[..n_bytes].copy_from_slice(&bytes[..n_bytes]);
    n_bytes == bytes.len()
}

/// What `write` writes, in pieces for the body of a request; an error is the last of them. `write` has
/// a thread of its own, and fails when nobody wants more.
pub(super) fn pieces(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> mpsc::Receiver<io::Result<Bytes>> {
    // Piece of the archive -- the thread that reads files --> whoever sends the request.
    let (pieces_tx, pieces_rx) = mpsc::channel(PIECES_MAX);
    tokio::task::spawn_blocking(move || {
        let mut pieces = io::BufWriter::with_capacity(PIECE_BYTES, Pieces(pieces_tx.clone()));
        let written = write(&mut pieces);
        // Nothing is sent behind an error.
        let (_, _unsent) = pieces.into_parts();
        if let Err(error) = written {
            let _ = pieces_tx.blocking_send(Err(error));
        }
    });
    pieces_rx
}

/// Writes into a channel.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

// === impl Pieces ===

impl Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(piece)));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody wants the archive any more"))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
