//! After an error: open the database again, find out what became of the writes, and say what is
//! taken meanwhile.
//!
//! redb refuses every write after an input/output error until its file is opened again, while
//! reads go on. So the handle that failed keeps serving reads until a new one is ready.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::group::{Failure, Stage};
use super::{Operation, Waiting, Writer};
use crate::open::{self, Attached, Foreign};
use crate::snapshot::{InUse, Snapshot};
use crate::tables::{self, Fault};
use crate::{Health, Revision, WriteError};

/// How often room is looked for on a full disk. 1 s: writes have to work again within 5 s of
/// space coming back.
const FULL_PROBE: Duration = Duration::from_secs(1);
/// Puts are taken again when this many ballasts are free, so that one that was just laid is not
/// given up again at once.
const FULL_BALLASTS: u64 = 4;

/// What the writer takes.
#[derive(Debug)]
pub(super) enum Mode {
    Ready,
    /// No room: deletes only.
    Full {
        due: Instant,
    },
    /// The handle is dead; it is to be opened again.
    Reopening {
        cause: Arc<str>,
        is_full: bool,
        attempts: u32,
        due: Instant,
    },
    /// Given up.
    Failed {
        cause: Arc<str>,
    },
}

// === impl Writer ===

impl Writer {
    /// Reserves the space for recovery, while there is some.
    pub(super) fn lay_first_ballast(&mut self) {
        match self.disk.lay_ballast().map_err(Fault::from) {
            Ok(()) => {}
            Err(Fault::DiskFull) => self.enter_full(),
            Err(fault) => tracing::warn!(
                store.path = %self.disk.path().display(),
                "cannot reserve space for a full disk at `{}`: {fault}",
                self.disk.path().display()
            ),
        }
    }

    /// Answers what is not taken now and gives back the rest, if any.
    pub(super) fn admit(&self, group: Vec<Waiting>) -> Option<Vec<Waiting>> {
        let admitted = match &self.mode {
            Mode::Ready => return Some(group),
            Mode::Full { .. } => self.refuse_puts(group),
            Mode::Reopening { is_full: true, .. } => {
                refuse(group, |_| self.disk_full());
                return None;
            }
            Mode::Reopening { cause, .. } | Mode::Failed { cause } => {
                refuse(group, |waiting| waiting.not_written(cause));
                return None;
            }
        };
        (!admitted.is_empty()).then_some(admitted)
    }

    /// Does what is due: another attempt to open, another look for room.
    pub(super) fn tend(&mut self) {
        match std::mem::replace(&mut self.mode, Mode::Ready) {
            mode @ (Mode::Ready | Mode::Failed { .. }) => self.mode = mode,
            Mode::Full { .. } => self.look_for_room(),
            Mode::Reopening { is_full, attempts, .. } => {
                // The result is in the mode; nobody waits for this attempt.
                let _ = self.reopen(is_full, attempts);
            }
        }
    }

    /// Opens the database again and answers a group that failed as a whole.
    pub(super) fn recover(&mut self, failure: Failure, group: Vec<Waiting>) {
        let Failure { fault, stage } = failure;
        let cause: Arc<str> = fault.to_string().into();
        let path = self.disk.path().display().to_string();
        tracing::warn!(store.path = %path, "failed to commit to `{path}`: {cause}");
        let was_full = matches!(self.mode, Mode::Full { .. });
        let is_full = was_full || matches!(fault, Fault::DiskFull);
        if is_full && let Err(error) = self.disk.free_ballast() {
            tracing::warn!(store.path = %path, "cannot give up the ballast at `{path}`: {error}");
        }
        let before = self.state.revision;
        let reopened = self.reopen(is_full, 0);
        match (stage, reopened) {
            // Read back: it did not take place.
            (Stage::Before | Stage::Commit, Some(revision)) if revision == before => {
                self.answer_unwritten(group, &cause, is_full, was_full);
            }
            (Stage::Before, _) if is_full => refuse(group, |_| self.disk_full()),
            (Stage::Before, _) => refuse(group, |waiting| waiting.not_written(&cause)),
            // Read back and present: yet what failed was making it durable, and what is read
            // may be the operating system's memory of it.
            (Stage::Commit, _) => refuse(group, |waiting| WriteError::Unknown {
                key: waiting.key.clone(),
                cause: cause.clone(),
            }),
        }
    }

    /// A group that certainly was not written. With the ballast given up there is room for its
    /// deletes now; once, since a second failure finds no more ballast.
    fn answer_unwritten(&mut self, group: Vec<Waiting>, cause: &Arc<str>, is_full: bool, was_full: bool) {
        if !is_full {
            return refuse(group, |waiting| waiting.not_written(cause));
        }
        if was_full {
            return refuse(group, |_| self.disk_full());
        }
        self.write(group);
    }

    /// One attempt. Gives the revision that the database turned out to be at.
    fn reopen(&mut self, is_full: bool, attempts: u32) -> Option<Revision> {
        match self.open_again() {
            Ok(revision) => {
                self.shared.counters.reopens.fetch_add(1, Ordering::Relaxed);
                if is_full {
                    // Whoever waits for `Ready` must not see it for a moment.
                    self.enter_full();
                } else {
                    self.mode = Mode::Ready;
                    self.shared.set_health(Health::Ready);
                }
                Some(revision)
            }
            Err(fault) => {
                self.postpone(fault, is_full, attempts);
                None
            }
        }
    }

    /// Reads from a fresh handle first, and only then lets it write: where the disk takes no
    /// writes, an earlier attempt got as far as reading, and readers stay there.
    fn open_again(&mut self) -> Result<Revision, Fault> {
        if !self.opened.gated.is_holding() {
            // What the old handle would still like to write must never reach the file.
            self.opened.gated.fence();
            let attached =
                open::attach(&*self.disk, &self.options, self.opened.lock.clone(), Foreign::Refused)?;
            self.switch(attached)?;
        }
        self.opened.gated.release()?;
        Ok(self.state.revision)
    }

    /// Puts a freshly opened handle in place of the old one, for reading.
    fn switch(&mut self, attached: Attached) -> Result<(), Fault> {
        let revision = attached.revision();
        let published = self.shared.published().window.revision();
        if revision < published || attached.history.state.identity != self.state.identity {
            return Err(Fault::Damaged(format!(
                "it was replaced: it is at revision {revision}, was at {published}"
            )));
        }
        let Attached { opened, history } = attached;
        // What was read back may only be the operating system's memory of a commit whose sync
        // failed, and nothing is shown that is not durable. A disk that refuses this sync too is
        // found here; that one which takes it has what the first one lost, Linux does not promise
        // (https://lwn.net/Articles/752063/), which is why the outcome stays unknown.
        opened.gated.sync_file()?;
        let snapshot = tables::guarded(|| Ok(Snapshot::take(opened.clone(), revision)?))?;
        // Present but never published: a commit whose outcome was unknown.
        let base = history.base;
        let missed: Vec<_> =
            history.changes.into_iter().filter(|change| change.revision > published).collect();
        if base > published {
            self.shared.publish_after_a_gap(base, missed, snapshot);
        } else {
            let news = self.shared.publish(missed, snapshot);
            self.shared.announce(news);
        }
        // Once the new handle may write, pages change under the old one: its readers have to be
        // out by then.
        let old = std::mem::replace(&mut self.opened, opened);
        *old.exclude_readers() = InUse::Retired;
        self.state = history.state;
        self.ledger = history.ledger;
        Ok(())
    }

    /// After an attempt that failed: when the next one is, if there is one. A lack of room is
    /// waited out for as long as it takes, since somebody else has to end it.
    fn postpone(&mut self, fault: Fault, is_full: bool, failed_before: u32) {
        let path = self.disk.path().display().to_string();
        let cause: Arc<str> = fault.to_string().into();
        let lacks_room = matches!(fault, Fault::DiskFull);
        let attempts = failed_before + u32::from(!lacks_room);
        let pause = if lacks_room {
            FULL_PROBE
        } else if let Some(pause) = self.options.reopen_pauses.get(failed_before as usize) {
            *pause
        } else {
            return self.give_up(&format!("gave up opening it after {attempts} attempts"), &cause);
        };
        tracing::warn!(store.path = %path, attempts, "failed to open `{path}` again: {cause}");
        self.shared.set_health(Health::Reopening { cause: cause.clone(), attempts });
        self.mode =
            Mode::Reopening { cause, is_full: is_full || lacks_room, attempts, due: Instant::now() + pause };
    }

    /// Takes no write any more, and touches the file no more; reads go on.
    fn give_up(&mut self, what: &str, cause: &Arc<str>) {
        let path = self.disk.path().display().to_string();
        tracing::error!(store.path = %path, "no writes to `{path}` any more, {what}: {cause}; restart");
        // A gate that still holds its writes back reaches the file no more either, and what it
        // holds is what reads see.
        if !self.opened.gated.is_holding() {
            self.opened.gated.fence();
        }
        self.shared.set_health(Health::Failed { cause: cause.clone() });
        self.mode = Mode::Failed { cause: cause.clone() };
    }

    /// Gives up where another process has made the directory its own: two writers would ruin
    /// the file. Locks can fail to keep the other one out, when somebody deletes the lock file.
    pub(super) fn check_directory(&mut self) {
        let Some(lock) = &self.opened.lock else { return };
        if !matches!(self.mode, Mode::Failed { .. })
            && let Some(taken) = lock.taken_over()
        {
            self.give_up("the directory is another's", &taken.into());
        }
    }

    fn enter_full(&mut self) {
        self.mode = Mode::Full { due: Instant::now() + FULL_PROBE };
        self.shared.set_health(Health::DiskFull);
    }

    fn look_for_room(&mut self) {
        let wanted = self.wanted_bytes();
        let has_room = self.disk.available_bytes().is_none_or(|available| available >= wanted);
        if has_room && self.disk.lay_ballast().is_ok() {
            let path = self.disk.path().display();
            tracing::info!(store.path = %path, "there is room again at `{path}`: writes are taken");
            self.mode = Mode::Ready;
            self.shared.set_health(Health::Ready);
        } else {
            self.enter_full();
        }
    }

    /// What has to be free before puts are taken again.
    fn wanted_bytes(&self) -> u64 {
        self.options.ballast_bytes * FULL_BALLASTS
    }

    fn refuse_puts(&self, group: Vec<Waiting>) -> Vec<Waiting> {
        let (puts, deletes): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|waiting| matches!(waiting.operation, Operation::Put(_)));
        refuse(puts, |_| self.disk_full());
        deletes
    }

    fn disk_full(&self) -> WriteError {
        WriteError::DiskFull {
            path: self.disk.path().to_owned(),
            wanted_bytes: self.wanted_bytes(),
            available_bytes: self.disk.available_bytes(),
        }
    }
}

fn refuse(group: Vec<Waiting>, why: impl Fn(&Waiting) -> WriteError) {
    for waiting in group {
        let error = why(&waiting);
        waiting.answer(Err(error));
    }
}

// === impl Mode ===

impl Mode {
    /// When [`Writer::tend`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Self::Ready | Self::Failed { .. } => None,
            Self::Full { due } | Self::Reopening { due, .. } => Some(*due),
        }
    }
}

// === impl Waiting ===

impl Waiting {
    fn not_written(&self, cause: &Arc<str>) -> WriteError {
        WriteError::NotWritten { key: self.key.clone(), cause: cause.clone() }
    }
}
