//! Lines as they come: of every container that is there or starts, and of applications.
//!
//! One task per container reads into one bounded channel; who reads slowly slows the reading of
//! files, and loses nothing of them. Pods are watched, so that a container is read from when it
//! starts, and again after a restart from where it was.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use serde_json::json;
use spur_api::Status;
use spur_runtime::LogOptions;
use spur_store::Watch;
use spur_trace::{LogFollow, LogLine, LogQuery, LogUpdate};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::source::Source;
use super::{Wanted, json_line, lines, so_far, source};
use crate::state::State;

/// Lines that wait for the reader.
const N_WAITING: usize = 256;

/// What is followed.
struct Following {
    state: State,
    wanted: Wanted,
    /// What was written before.
    backlog: std::vec::IntoIter<LogLine>,
    reported: LogFollow,
    pods: Watch,
    // tasks -- lines --> this
    lines_tx: mpsc::Sender<LogLine>,
    lines_rx: mpsc::Receiver<LogLine>,
    /// One per container that is read; each ends with the time of its last line.
    tasks: JoinSet<(Source, Option<SystemTime>)>,
    /// Whether a container is being read, and from when it is read next.
    known: HashMap<Source, Reading>,
    began: SystemTime,
}

/// How far a container was read.
#[derive(Clone, Copy)]
enum Reading {
    Now,
    /// Not now; next from this time on.
    From(SystemTime),
}

/// The stream of JSON lines.
pub(super) async fn follow(
    state: &State,
    wanted: Wanted,
) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + use<>, Status> {
    // Before anything is read, so that what starts meanwhile is seen.
    let after = state.store.revision();
    let pods = state.store.watch(&source::pods().stored_resource(), wanted.namespace.as_deref(), after);
    let pods = pods.map_err(|error| Status::internal(error.to_string()))?;
    let reported = state.logs.follow(LogQuery { limit: 0, ..LogQuery::default() });
    let began = SystemTime::now();
    let backlog = match wanted.limit {
        0 => Vec::new(),
        // What was written since comes by the streams.
        _ => so_far(state, &wanted, began - Duration::from_nanos(1)).await?,
    };
    let (lines_tx, lines_rx) = mpsc::channel(N_WAITING);
    let mut following = Following {
        state: state.clone(),
        wanted,
        backlog: backlog.into_iter(),
        reported,
        pods,
        lines_tx,
        lines_rx,
        tasks: JoinSet::new(),
        known: HashMap::new(),
        began,
    };
    following.read_new()?;
    Ok(stream::unfold(following, |mut following| async move {
        let line = following.next().await?;
        Some((Ok(line), following))
    }))
}

// === impl Following ===

impl Following {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(line) = self.backlog.next() {
            return Some(json_line(&line));
        }
        let draining = self.state.draining.clone();
        loop {
            tokio::select! {
                () = draining.cancelled() => return None,
                Some(line) = self.lines_rx.recv() => {
                    if self.wanted.wants(&line) {
                        return Some(json_line(&line));
                    }
                }
                update = self.reported.next() => match update {
                    LogUpdate::Record(record) => {
                        let line = LogLine::from(&*record);
                        if self.wanted.wants(&line) {
                            return Some(json_line(&line));
                        }
                    }
                    LogUpdate::Lost(n_lines) => return Some(json_line(&json!({"lost": n_lines}))),
                },
                Some(ended) = self.tasks.join_next() => {
                    if let Ok((source, last)) = ended {
                        let next = last.map_or(self.began, |last| last + Duration::from_nanos(1));
                        self.known.insert(source, Reading::From(next));
                    }
                }
                changed = self.pods.next() => match changed {
                    Ok(_) => self.read_new().ok()?,
                    // Changes were missed; what is there now is all that counts.
                    Err(_) => self.watch_again()?,
                },
            }
        }
    }

    /// Watches from now on, and looks at what is there.
    fn watch_again(&mut self) -> Option<()> {
        let namespace = self.wanted.namespace.as_deref();
        let after = self.state.store.revision();
        self.pods = self.state.store.watch(&source::pods().stored_resource(), namespace, after).ok()?;
        self.read_new().ok()
    }

    /// Reads every container that is not read yet, or not any more. One that has not started ends
    /// at once, and is tried again with the next change of a pod.
    fn read_new(&mut self) -> Result<(), Status> {
        let sources = source::all(&self.state, self.wanted.namespace.as_deref())?;
        self.known.retain(|source, reading| matches!(reading, Reading::Now) || sources.contains(source));
        for source in sources {
            let from = match self.known.get(&source) {
                Some(Reading::Now) => continue,
                Some(Reading::From(from)) => *from,
                None => self.began,
            };
            self.known.insert(source.clone(), Reading::Now);
            let (state, lines_tx) = (self.state.clone(), self.lines_tx.clone());
            self.tasks.spawn(read(state, source, from, lines_tx));
        }
        Ok(())
    }
}

/// Reads a container's output from a time to its end.
async fn read(
    state: State,
    source: Source,
    from: SystemTime,
    lines_tx: mpsc::Sender<LogLine>,
) -> (Source, Option<SystemTime>) {
    let options = LogOptions { follow: true, since: Some(from), timestamps: true, ..LogOptions::default() };
    let Ok(pieces) = lines::open(&state, &source, options).await else { return (source, None) };
    let mut read = std::pin::pin!(lines::of(pieces, source.clone()));
    let mut last = None;
    while let Some(line) = read.next().await {
        last = Some(line.time);
        if lines_tx.send(line).await.is_err() {
            break;
        }
    }
    (source, last)
}
