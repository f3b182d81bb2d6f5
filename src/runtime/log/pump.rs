//! The task between a process' pipes and its log. It always reads on: neither a
//! slow reader of the log nor a full disk stops the process.

use std::io;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::cri::{Splitter, Stamp, Stream, Tag, count_lines, encode, stamp};
use super::files::{LogFiles, Lost};
use super::limit::{Gate, Limit};
use super::tap::Tap;
use crate::session::OutputStream;

/// What is read at once, twice for each container: enough for the highest rate at some
/// thousand writes a second, little enough for hundreds of containers.
const READ_BYTES: usize = 16 * 1024;

/// One read of nothing but newlines makes a batch of 48 times its size; such a one is not
/// kept for the next.
const BATCH_KEPT_BYTES: usize = 4 * READ_BYTES;

/// How long is waited for the end of the pipes when the container has ended. Its processes
/// are gone by then, so the end is there at once, unless one that escaped holds a pipe open.
const FINISH_MAX: Duration = Duration::from_secs(1);

/// Where a process' output is read.
type Pipe = Box<dyn AsyncRead + Send + Unpin>;

/// Owns the task that writes one attempt's log.
pub(crate) struct Pump {
    task: JoinHandle<()>,
    /// Told when the pipes need not be read to their end.
    give_up: CancellationToken,
}

/// One pipe and its way into the log.
struct Source {
    stream: OutputStream,
    /// `None` after its end, and where there is none.
    pipe: Option<Pipe>,
    buf: Vec<u8>,
    splitter: Splitter,
    gate: Gate,
}

struct Writer {
    /// `None` only while a blocking thread has it.
    files: Option<LogFiles>,
    batch: Vec<u8>,
    /// Lines since the last successful write that could not be written.
    n_lost_lines: u64,
}

// === impl Pump ===

impl Pump {
    /// Starts the task.
    pub(crate) fn spawn(stdout: Option<Pipe>, stderr: Option<Pipe>, (files, tap): (LogFiles, Tap)) -> Self {
        let give_up = CancellationToken::new();
        let sources = (Source::new(OutputStream::Stdout, stdout), Source::new(OutputStream::Stderr, stderr));
        let task = tokio::spawn(pump(sources, tap, Writer::new(files), give_up.clone()));
        Self { task, give_up }
    }

    /// Waits until all output is in the log: at most a second, then what an escaped process
    /// may still write is left.
    pub(crate) async fn finish(mut self) {
        if tokio::time::timeout(FINISH_MAX, &mut self.task).await.is_err() {
            self.give_up.cancel();
            // It is in a write at most, and a write ends.
            let _ = self.task.await;
        }
    }
}

async fn pump(
    (mut stdout, mut stderr): (Source, Source),
    mut tap: Tap,
    mut writer: Writer,
    give_up: CancellationToken,
) {
    let mut limit = Limit::new(Instant::now());
    while stdout.pipe.is_some() || stderr.pipe.is_some() {
        let resumes_at = limit.resumes_at();
        tokio::select! {
            n = stdout.read() => stdout.pass(n, (&mut limit, &mut tap), &mut writer.batch),
            n = stderr.read() => stderr.pass(n, (&mut limit, &mut tap), &mut writer.batch),
            // A flood that stopped: its marker need not wait for the next line.
            () = sleep_until(resumes_at.unwrap_or_else(Instant::now)), if resumes_at.is_some() => {
                limit.refill(Instant::now());
                let at = now();
                stdout.gate.mark(&mut writer.batch, &at);
                stderr.gate.mark(&mut writer.batch, &at);
            }
            () = give_up.cancelled() => break,
        }
        writer.flush().await;
    }
    stdout.finish(&mut limit, &mut writer.batch);
    stderr.finish(&mut limit, &mut writer.batch);
    writer.flush().await;
}

fn now() -> Stamp {
    stamp(SystemTime::now())
}

// === impl Source ===

impl Source {
    fn new(stream: OutputStream, pipe: Option<Pipe>) -> Self {
        let gate = Gate::new(match stream {
            OutputStream::Stdout => Stream::Stdout,
            OutputStream::Stderr => Stream::Stderr,
        });
        Self { stream, pipe, buf: vec![0; READ_BYTES], splitter: Splitter::default(), gate }
    }

    /// Cancel-safe, as `read` is. Never ready after the end.
    async fn read(&mut self) -> io::Result<usize> {
        match &mut self.pipe {
            Some(pipe) => pipe.read(&mut self.buf).await,
            None => std::future::pending().await,
        }
    }

    fn pass(&mut self, n: io::Result<usize>, (limit, tap): (&mut Limit, &mut Tap), batch: &mut Vec<u8>) {
        let Ok(n @ 1..) = n else {
            return self.finish(limit, batch);
        };
        tap.pass(self.stream, &self.buf[..n]);
        limit.refill(Instant::now());
        let (at, gate) = (now(), &mut self.gate);
        self.splitter.push(&self.buf[..n], |tag, piece| {
            gate.pass(limit, batch, &at, (tag, piece));
        });
    }

    fn finish(&mut self, limit: &mut Limit, batch: &mut Vec<u8>) {
        self.pipe = None;
        let at = now();
        if let Some(rest) = self.splitter.finish() {
            self.gate.pass(limit, batch, &at, (Tag::Full, &rest));
        }
        self.gate.finish(batch, &at);
    }
}

// === impl Writer ===

impl Writer {
    fn new(files: LogFiles) -> Self {
        Self { files: Some(files), batch: Vec::new(), n_lost_lines: 0 }
    }

    /// Writes on a blocking thread, since a disk may be slow; the pipe holds the process'
    /// output meanwhile.
    async fn flush(&mut self) {
        let Some(mut files) = self.files.take_if(|_| !self.batch.is_empty()) else {
            return;
        };
        let mut batch = std::mem::take(&mut self.batch);
        let n_lost_before = self.n_lost_lines;
        let written = tokio::task::spawn_blocking(move || {
            let n_lost = write(&mut files, &batch, n_lost_before);
            batch.clear();
            batch.shrink_to(BATCH_KEPT_BYTES);
            (files, batch, n_lost)
        });
        // An error is the runtime shutting down (or a bug, which has told itself): nothing
        // can be written then.
        let Ok((files, batch, n_lost)) = written.await else {
            return;
        };
        (self.files, self.batch, self.n_lost_lines) = (Some(files), batch, n_lost);
    }
}

/// Writes a batch, before it a line about what was lost since the last one that could be
/// written; gives how many lines are lost now.
fn write(files: &mut LogFiles, batch: &[u8], n_lost: u64) -> u64 {
    if n_lost > 0 {
        let mut marker = Vec::new();
        let text = format!("spur: {n_lost} lines lost: the log could not be written");
        encode(&mut marker, &now(), Stream::Stderr, Tag::Full, text.as_bytes());
        if files.append(&marker).is_err() {
            return n_lost + count_lines(batch);
        }
    }
    match files.append(batch) {
        Ok(()) => 0,
        Err(Lost { lines, source }) => {
            // Told once for each time it begins to fail; the count is in the log afterwards.
            warn!(error = %source, "cannot write a container's log; its output is lost");
            lines
        }
    }
}
