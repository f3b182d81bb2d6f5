//! Reading an attempt's log, from disk and then as it grows.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::watch;

use super::cri::{Tag, count_lines, decode};
use super::files::{Progress, path_of};
use super::filter::Filter;
use crate::interface::{LogOptions, LogStream};

/// What is read at once, and so about what one piece of the stream holds.
const CHUNK_BYTES: usize = 64 * 1024;

/// Opens the log in `dir` for reading.
///
/// # Errors
/// The files cannot be read.
pub(crate) async fn open(
    dir: PathBuf,
    progress_rx: watch::Receiver<Progress>,
    options: LogOptions,
) -> io::Result<LogStream> {
    let reader = blocking(move || Reader::open(dir, progress_rx, &options)).await?;
    Ok(stream::try_unfold(Some(reader), |reader| async {
        let Some(reader) = reader else {
            return Ok(None);
        };
        next(reader).await
    })
    // Pieces of which the options leave nothing.
    .try_filter(|bytes: &Bytes| std::future::ready(!bytes.is_empty()))
    .boxed())
}

/// The next piece, and the reader if more may come.
async fn next(mut reader: Reader) -> io::Result<Option<(Bytes, Option<Reader>)>> {
    loop {
        let step;
        (reader, step) = blocking(move || {
            let step = reader.step()?;
            Ok((reader, step))
        })
        .await?;
        match step {
            Step::Piece(bytes) => return Ok(Some((bytes, Some(reader)))),
            Step::Last(bytes) => return Ok(Some((bytes, None))),
            // An error means that the writer is gone, which the next step finds out too: the
            // writer's last word is that the log is closed.
            Step::Wait => drop(reader.progress_rx.changed().await),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

enum Step {
    Piece(Bytes),
    Last(Bytes),
    /// Nothing before the writer's progress changes.
    Wait,
}

struct Reader {
    dir: PathBuf,
    progress_rx: watch::Receiver<Progress>,
    /// `None` to follow; else the end of the log as it was at the beginning.
    until: Option<Progress>,
    file: File,
    number: u64,
    /// What of the current file was read.
    file_bytes: u64,
    /// Lines since the very first one that were read or are known to be gone.
    n_lines: u64,
    /// The start of a record whose end is not read yet.
    carry: Vec<u8>,
    filter: Filter,
}

// === impl Reader ===

impl Reader {
    fn open(
        dir: PathBuf,
        mut progress_rx: watch::Receiver<Progress>,
        options: &LogOptions,
    ) -> io::Result<Self> {
        // Between looking and opening the writer may have rotated; then one looks again. It
        // cannot go on for ever: that would need a rotation in each of the tries.
        let (progress, file) = loop {
            let progress = *progress_rx.borrow_and_update();
            match File::open(path_of(&dir, progress.oldest)) {
                Err(e)
                    if e.kind() == io::ErrorKind::NotFound && progress_rx.has_changed().unwrap_or(false) => {}
                opened => break (progress, opened?),
            }
        };
        let skip_lines = match options.tail_lines {
            None => 0,
            Some(n) => count_until(&dir, &progress)?.saturating_sub(n),
        };
        Ok(Self {
            dir,
            progress_rx,
            until: (!options.follow).then_some(progress),
            file,
            number: progress.oldest,
            file_bytes: 0,
            n_lines: progress.lines_before_oldest,
            carry: Vec::new(),
            filter: Filter::new(options, skip_lines),
        })
    }

    fn step(&mut self) -> io::Result<Step> {
        if self.filter.is_done() {
            return Ok(Step::Last(Bytes::new()));
        }
        // Looked at before reading: what it promises is in the file by then.
        let progress = match self.until {
            Some(until) => until,
            None => *self.progress_rx.borrow_and_update(),
        };
        let chunk = self.read_chunk(&progress)?;
        if !chunk.is_empty() {
            return Ok(Step::Piece(self.show(&chunk)));
        }
        if self.number < progress.current {
            return self.open_next();
        }
        if progress.is_closed || self.until.is_some() {
            return Ok(Step::Last(Bytes::new()));
        }
        Ok(Step::Wait)
    }

    /// The next bytes of the current file, not past the end that `progress` names.
    fn read_chunk(&mut self, progress: &Progress) -> io::Result<Vec<u8>> {
        let room = if self.number == progress.current {
            progress.current_bytes.saturating_sub(self.file_bytes)
        } else {
            u64::MAX
        };
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let mut chunk = vec![0; CHUNK_BYTES.min(room)];
        let n = self.file.read(&mut chunk)?;
        chunk.truncate(n);
        self.file_bytes += u64::try_from(n).expect("a length fits");
        Ok(chunk)
    }

    /// Goes on with the next file that is still there, and says what is missing between.
    fn open_next(&mut self) -> io::Result<Step> {
        // What the writer left of a record that it could not finish.
        self.carry.clear();
        let oldest = self.progress_rx.borrow().oldest;
        let number = (self.number + 1).max(oldest);
        self.file = match File::open(path_of(&self.dir, number)) {
            Ok(file) => file,
            // The pod was removed.
            Err(e) if e.kind() == io::ErrorKind::NotFound && !self.moved_past(number) => {
                return Ok(Step::Last(Bytes::new()));
            }
            // It was rotated away just now: the next step finds the one after it.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Step::Piece(Bytes::new())),
            Err(e) => return Err(e),
        };
        let is_gap = number > self.number + 1;
        self.number = number;
        self.file_bytes = 0;
        let progress = *self.progress_rx.borrow();
        if !is_gap || progress.oldest != number {
            return Ok(Step::Piece(Bytes::new()));
        }
        let n_missed = progress.lines_before_oldest.saturating_sub(self.n_lines);
        self.n_lines = progress.lines_before_oldest;
        Ok(Step::Piece(self.filter.note_missed(n_missed)))
    }

    fn moved_past(&self, number: u64) -> bool {
        self.progress_rx.borrow().oldest > number
    }

    /// What of `chunk`'s records is shown.
    fn show(&mut self, chunk: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(chunk.len());
        let mut carry = std::mem::take(&mut self.carry);
        for part in chunk.split_inclusive(|b| *b == b'\n') {
            carry.extend_from_slice(part);
            let Some(line) = carry.strip_suffix(b"\n") else {
                continue;
            };
            if let Some(record) = decode(line) {
                self.n_lines += u64::from(record.tag == Tag::Full);
                self.filter.show(&record, &mut out);
            }
            carry.clear();
        }
        self.carry = carry;
        self.filter.cut(out)
    }
}

/// Lines from the oldest kept one to the end that `progress` names.
fn count_until(dir: &Path, progress: &Progress) -> io::Result<u64> {
    let mut n_lines = 0;
    for number in progress.oldest..=progress.current {
        let file = match File::open(path_of(dir, number)) {
            Ok(file) => file,
            // Rotated away meanwhile: the reader, which has it open, shows a few lines more.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        let room = match number == progress.current {
            true => progress.current_bytes,
            false => u64::MAX,
        };
        let mut file = BufReader::with_capacity(CHUNK_BYTES, file.take(room));
        let mut record = Vec::new();
        while file.read_until(b'\n', &mut record)? > 0 {
            n_lines += count_lines(&record);
            record.clear();
        }
    }
    Ok(n_lines)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::super::cri::{Stream, encode, stamp};
    use super::super::files::{LogFiles, progress_of_closed};
    use super::*;

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    fn record(second: u64, stream: Stream, tag: Tag, content: &str) -> Vec<u8> {
        let mut batch = Vec::new();
        encode(&mut batch, &stamp(at(second)), stream, tag, content.as_bytes());
        batch
    }

    fn line(second: u64, content: &str) -> Vec<u8> {
        record(second, Stream::Stdout, Tag::Full, content)
    }

    async fn text(stream: LogStream) -> String {
        let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
        String::from_utf8(pieces.concat()).unwrap()
    }

    /// Five lines, the second in two pieces with a line of stderr between them.
    async fn check(options: LogOptions, wanted: &str) {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("0");
        let (mut files, progress_rx) = LogFiles::create(&dir).unwrap();
        for record in [
            line(1, "one"),
            record(2, Stream::Stdout, Tag::Partial, "tw"),
            record(2, Stream::Stdout, Tag::Full, "o"),
            record(3, Stream::Stderr, Tag::Full, "three"),
            line(4, "four"),
            line(5, ""),
        ] {
            files.append(&record).unwrap();
        }
        let open_log = open(dir.clone(), progress_rx.clone(), options.clone());
        if !options.follow {
            assert_eq!(text(open_log.await.unwrap()).await, wanted, "{options:?}");
        }
        drop(files);
        let (_tx, closed_rx) = watch::channel(progress_of_closed(&dir).unwrap());
        for progress_rx in [progress_rx, closed_rx] {
            let stream = open(dir.clone(), progress_rx, options.clone()).await;
            assert_eq!(text(stream.unwrap()).await, wanted, "{options:?}");
        }
    }

    #[tokio::test]
    async fn options_choose_lines() {
        let all = LogOptions::default;
        check(all(), "one\ntwo\nthree\nfour\n\n").await;
        let tail = |n| LogOptions { tail_lines: Some(n), ..all() };
        check(tail(0), "").await;
        check(tail(1), "\n").await;
        check(tail(4), "two\nthree\nfour\n\n").await;
        check(tail(99), "one\ntwo\nthree\nfour\n\n").await;
        let since = |second| LogOptions { since: Some(at(second)), ..all() };
        check(since(2), "two\nthree\nfour\n\n").await;
        check(since(6), "").await;
        let limit = |n| LogOptions { limit_bytes: Some(n), ..all() };
        check(limit(0), "").await;
        check(limit(6), "one\ntw").await;
        let followed = LogOptions { follow: true, tail_lines: Some(2), since: Some(at(1)), ..all() };
        check(followed, "four\n\n").await;
        let stamped = LogOptions { timestamps: true, tail_lines: Some(4), limit_bytes: Some(68), ..all() };
        let wanted = "1970-01-01T00:00:02.000000000Z two\n1970-01-01T00:00:03.000000000Z t";
        check(stamped, &format!("{wanted}h")).await;
    }

    #[tokio::test]
    async fn a_follower_gets_every_line_over_rotations() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("0");
        let (mut files, progress_rx) = LogFiles::create(&dir).unwrap();
        let options = LogOptions { follow: true, ..LogOptions::default() };
        let mut stream = open(dir, progress_rx.clone(), options).await.unwrap();
        let block = line(1, &"x".repeat(999));
        let n_blocks = 30_000;
        let mut got = 0;
        for n in 0..n_blocks {
            files.append(&block).unwrap();
            // Keeps up: reads on before the file it is in could be rotated away twice.
            while n % 1_000 == 999 && got < (n + 1) * 1_000 {
                got += stream.next().await.unwrap().unwrap().len();
            }
        }
        drop(files);
        got += text(stream).await.len();
        assert_eq!(got, n_blocks * 1_000);
        assert!(progress_rx.borrow().oldest > 0, "nothing was rotated away");
    }

    #[tokio::test]
    async fn a_follower_that_lags_is_told_how_many_lines_it_missed() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("0");
        let (mut files, progress_rx) = LogFiles::create(&dir).unwrap();
        let options = LogOptions { follow: true, ..LogOptions::default() };
        let stream = open(dir, progress_rx, options).await.unwrap();
        let block = line(1, &"x".repeat(999));
        let n_blocks = 60_000;
        for _ in 0..n_blocks {
            files.append(&block).unwrap();
        }
        drop(files);
        let text = text(stream).await;
        let (notes, lines): (Vec<_>, Vec<_>) = text.lines().partition(|l| l.starts_with("spur: "));
        let [note] = notes[..] else {
            panic!("{notes:?}");
        };
        let n_missed: usize = note.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(n_missed > 10_000, "{note}");
        assert_eq!(lines.len() + n_missed, n_blocks);
    }
}
