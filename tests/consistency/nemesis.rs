//! What is done to the server, one fault after the other, each ended before the
//! next. The nemesis owns the server, and leaves it well.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::sync::watch;

use crate::disk::{FaultyDisk, Mode};
use crate::harness::{Data, Site, Spur, until};
use crate::history::Moment;
use crate::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// kill -9, then a new server on the same data.
    Kill,
    /// SIGSTOP, then SIGCONT, or kill -9 while it is stopped.
    Pause,
    /// ENOSPC.
    DiskFull,
    /// EIO.
    DiskError,
}

/// Calm between two faults: short, so that one meets what another has left, or long
/// enough for watches to end with a bookmark.
const CALM_MS: [(usize, usize); 2] = [(20, 300), (300, 1_500)];
/// How long a server is stopped: beyond many timers, below the clients' deadlines.
const PAUSE_MS: (usize, usize) = (50, 1_000);
/// How long a disk fails, from the first call that it let fail on: through the
/// store's first attempt to open it again, and not through the second, a second
/// later, after which it waits for ten.
const DISK_MS: (usize, usize) = (0, 900);
/// Where so much time is left a disk may fail until the store gives up: after
/// three attempts, in eleven seconds.
const GIVES_UP_WITHIN: Duration = Duration::from_secs(15);

/// Calls that succeed before a disk begins to fail, at most: a commit has two syncs,
/// and about ten writes, so that the first failure comes anywhere in one. After the
/// last sync but one a commit is there, though nobody can say that it is durable.
const CALLS_PASSING: usize = 24;
/// Calls that fail: one, those of one attempt to open the store again, or all.
const CALLS_FAILING: [u32; 3] = [1, 8, LASTING];
/// More than there are calls in the time that a disk fails.
const LASTING: u32 = 1_000_000;

/// What a trial allows.
#[derive(Clone, Copy, Debug)]
struct Setting {
    /// Faults may meet.
    is_mixed: bool,
    /// There is time for the store to give up.
    is_long: bool,
}

/// How a server that had a fault comes out of it.
#[derive(Clone, Copy, Debug)]
enum Settled {
    Ready,
    Ended,
}

pub(crate) struct Nemesis {
    random: Random,
    data: Data,
    disk: Option<FaultyDisk>,
    /// `None` only while it is replaced.
    spur: Option<Spur>,
    started: Instant,
    done: Vec<(Moment, String)>,
    /// From a sound disk to a server that takes writes again, at most.
    slowest_recovery: Duration,
}

// === impl Fault ===

impl Fault {
    pub(crate) fn needs_a_disk(self) -> bool {
        match self {
            Self::DiskFull | Self::DiskError => true,
            Self::Kill | Self::Pause => false,
        }
    }
}

// === impl Nemesis ===

impl Nemesis {
    /// Starts the server; with a disk that can fail where there is one.
    pub(crate) async fn start(random: Random, data: Data, disk: Option<FaultyDisk>) -> Self {
        let mut nemesis = Self {
            random,
            data,
            disk,
            spur: None,
            started: Instant::now(),
            done: Vec::new(),
            slowest_recovery: Duration::ZERO,
        };
        nemesis.start_server().await;
        nemesis
    }

    pub(crate) fn spur(&self) -> &Spur {
        self.spur.as_ref().expect("it is missing only while it is replaced")
    }

    pub(crate) fn site(&self) -> Site {
        Site::of_kubeconfig(self.spur().kubeconfig())
    }

    /// When the run began.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Does one fault after the other until the time is over, each at least once.
    pub(crate) async fn run(
        &mut self,
        faults: &[Fault],
        sites_tx: &watch::Sender<Option<Site>>,
        end: Instant,
    ) {
        let mut left = Vec::new();
        let mut n_done = 0;
        while n_done < faults.len() || Instant::now() < end {
            if left.is_empty() {
                left = faults.to_vec();
            }
            let fault = left.swap_remove(self.random.below(left.len()));
            let calm = *self.random.choose(&CALM_MS);
            tokio::time::sleep(self.random.millis(calm.0, calm.1)).await;
            self.note(format!("{fault:?} begins"));
            let setting = Setting {
                is_mixed: faults.len() > 1,
                is_long: end.saturating_duration_since(Instant::now()) > GIVES_UP_WITHIN,
            };
            match fault {
                Fault::Kill => self.replace(sites_tx).await,
                Fault::Pause => self.pause(setting, sites_tx).await,
                Fault::DiskFull | Fault::DiskError => self.break_disk(fault, setting, sites_tx).await,
            }
            self.note(format!("{fault:?} is over"));
            n_done += 1;
        }
    }

    /// What was done, and when.
    pub(crate) fn done(&self) -> Vec<(Moment, String)> {
        self.done.clone()
    }

    /// The longest that the server took, once the disk was sound, to take writes again.
    pub(crate) fn slowest_recovery(&self) -> Duration {
        self.slowest_recovery
    }

    /// Calls that the disk let fail.
    pub(crate) fn n_failed_calls(&self) -> u32 {
        self.disk.as_ref().map_or(0, FaultyDisk::n_failed)
    }

    /// Ends the server as a user does.
    pub(crate) async fn end(mut self) {
        self.spur.take().expect("it is missing only while it is replaced").end().await;
    }

    async fn pause(&mut self, setting: Setting, sites_tx: &watch::Sender<Option<Site>>) {
        self.spur().signal(Signal::STOP);
        tokio::time::sleep(self.random.millis(PAUSE_MS.0, PAUSE_MS.1)).await;
        if setting.is_mixed && self.random.is_one_in(3) {
            return self.replace(sites_tx).await;
        }
        self.spur().signal(Signal::CONT);
        self.until_ready().await;
    }

    async fn break_disk(&mut self, fault: Fault, setting: Setting, sites_tx: &watch::Sender<Option<Site>>) {
        let n_failing = *self.random.choose(&CALLS_FAILING);
        let before = self.disk().n_failed();
        match fault {
            Fault::DiskFull => self.disk().fill(),
            _ => self.fail_disk(n_failing),
        }
        // The clients go on writing.
        let disk = self.disk();
        until("a call has failed", async || match disk.n_failed() {
            n if n > before => Ok(()),
            n => Err(format!("{n} failed so far")),
        })
        .await;
        let lasts = fault == Fault::DiskFull || n_failing == LASTING;
        if fault == Fault::DiskError && lasts && setting.is_long && self.random.is_one_in(4) {
            self.until_given_up().await;
        } else if lasts {
            tokio::time::sleep(self.random.millis(DISK_MS.0, DISK_MS.1)).await;
        }
        if setting.is_mixed && self.random.is_one_in(3) {
            return self.replace(sites_tx).await;
        }
        self.mend_disk();
        let sound = Instant::now();
        match self.until_settled().await {
            Settled::Ready => self.slowest_recovery = self.slowest_recovery.max(sound.elapsed()),
            Settled::Ended => self.replace(sites_tx).await,
        }
    }

    /// Lets the disk fail for so many calls, after some that pass.
    fn fail_disk(&mut self, n_failing: u32) {
        let modes = [Mode::FailingWrites, Mode::FailingSyncs, Mode::Failing];
        let mode = *self.random.choose(&modes);
        let n_passing = u32::try_from(self.random.below(CALLS_PASSING)).expect("a small number");
        self.note(format!("the disk is {mode:?} for {n_failing} calls after {n_passing}"));
        self.disk().fail(mode, n_passing, n_failing);
    }

    fn disk(&self) -> &FaultyDisk {
        self.disk.as_ref().expect("a trial with faults of the disk has one")
    }

    fn mend_disk(&mut self) {
        if let Some(disk) = &self.disk {
            disk.mend();
        }
        self.note("the disk is sound".to_owned());
    }

    /// Kills the server, whatever its state, and starts another one on its data. Where
    /// the disk can fail it sometimes does so again meanwhile.
    async fn replace(&mut self, sites_tx: &watch::Sender<Option<Site>>) {
        let mut spur = self.spur.take().expect("it is missing only here");
        if has_ended(spur.pid()) {
            let status = spur.wait().await;
            assert!(status.code().is_some_and(|code| code != 0), "it ended by itself with {status}");
            self.note("the server has ended by itself".to_owned());
        } else {
            spur.kill().await;
        }
        self.note("the server is dead".to_owned());
        sites_tx.send_replace(None);
        self.mend_disk();
        if self.disk.is_some() && self.random.is_one_in(2) {
            let n_failing = *self.random.choose(&CALLS_FAILING);
            self.fail_disk(n_failing);
            if let Err(why) = self.try_start_server().await {
                self.note(format!("the server did not start: {why}"));
            }
            self.mend_disk();
        }
        if self.spur.is_none() {
            self.start_server().await;
        }
        self.until_ready().await;
        sites_tx.send_replace(Some(self.site()));
    }

    async fn start_server(&mut self) {
        let started = self.try_start_server().await;
        started.unwrap_or_else(|why| panic!("a server without faults does not start: {why}"));
    }

    async fn try_start_server(&mut self) -> Result<(), String> {
        let mut builder = Spur::up().on(&self.data);
        let n_loaded = self.disk.as_ref().map(FaultyDisk::n_loaded);
        for (name, value) in self.disk.iter().flat_map(FaultyDisk::environment) {
            builder = builder.env(name, &value);
        }
        self.spur = Some(builder.try_start().await?);
        if let Some((disk, before)) = self.disk.as_ref().zip(n_loaded) {
            assert!(disk.n_loaded() > before, "the server runs without the disk that can fail");
        }
        self.note("a server is ready".to_owned());
        Ok(())
    }

    async fn until_ready(&self) {
        match self.until_settled().await {
            Settled::Ready => {}
            Settled::Ended => panic!("the server has ended by itself on a sound disk"),
        }
    }

    /// Waits until the server takes writes, or has ended by itself, as it does once it
    /// has given up a disk.
    async fn until_settled(&self) -> Settled {
        let (site, pid) = (self.site(), self.spur().pid());
        until("the server is ready", async || match site.get("/readyz").try_send().await {
            Ok(answer) if answer.status == 200 => Ok(Settled::Ready),
            _ if has_ended(pid) => Ok(Settled::Ended),
            Ok(answer) => Err(answer.text()),
            Err(error) => Err(error),
        })
        .await
    }

    async fn until_given_up(&self) {
        let pid = self.spur().pid();
        until("the server has given up", async || match has_ended(pid) {
            true => Ok(()),
            false => Err("it still runs"),
        })
        .await;
    }

    fn note(&mut self, what: String) {
        self.done.push((self.started.elapsed(), what));
    }
}

/// Whether a child of ours has ended and was not waited for (proc_pid_stat(5): the
/// state comes after the name, which is in brackets).
fn has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}
