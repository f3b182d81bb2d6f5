//! The store's bounds.

use std::time::Duration;

/// Bounds of a store; [`Options::default`] suits a laptop and a small team's VM.
#[derive(Clone, Debug)]
pub struct Options {
    /// Changes that a watch can be behind, and that the log on disk keeps. 10,000: a minute of
    /// 160 writes/s, ten times what a kube-apiserver's default watch cache holds for one resource.
    pub window_max_changes: usize,
    /// Bytes of values (new and previous) in the window and in the log. 32 MiB: with the design's
    /// memory budget of 60 MB idle, half of it at the very most.
    pub window_max_bytes: usize,
    /// Largest value. 3 MiB is what kube-apiserver takes as a request body (MaxRequestBodyBytes).
    pub value_max_bytes: usize,
    /// Bytes of writes that wait for the writer; further callers wait for room. 64 MiB: twenty
    /// values of the largest size, or 16,384 small ones (each counts as 4 KiB at least).
    pub queue_max_bytes: usize,
    /// Writes that share one commit. 1,024: past that, the fsync is under 1 % of the work.
    pub group_max_writes: usize,
    /// Bytes of values, new and previous, after which a commit takes no more writes. 16 MiB bounds
    /// the memory of one transaction, which is held back whole until it is in the journal.
    pub group_max_bytes: usize,
    /// redb's page cache, filled as pages are read. 64 MiB: lists of 60,000 objects of 2 kB took
    /// 10 ms per 1,000 with 32 MiB and 4 ms with 64 MiB (two cores, Nov 2026, `examples/writes.rs`,
    /// noisy machine); redb's own default of 1 GiB would break the memory budget.
    pub cache_bytes: usize,
    /// From this file size on, each commit also saves where the free pages are, so that opening
    /// after a crash need not read the whole file: that took 2.4 s per GB, the saving costs a
    /// tenth of a commit (two cores, Nov 2026, a store killed with 1.4 GB in it). 256 MiB are read
    /// in about 0.6 s, of the 2 s that starting may take.
    pub fast_recovery_bytes: u64,
    /// Size of the file that is given up when the disk is full, so that recovery and deletes
    /// (copy-on-write needs room for those too) have space. 4 MiB: redb grows a small file by
    /// less, and a delete with its log entry rewrites a few dozen 4 KiB pages.
    pub ballast_bytes: u64,
    /// Size of the journal; 0 for none, and then a commit takes two syncs. 8 MiB: a commit of one
    /// ConfigMap of 1 KB takes 44 KiB of it (strace, Nov 2026; redb copies the way to each page), so
    /// that the database file is synced once for 186 of them.
    pub journal_bytes: u64,
    /// Pauses before the second and the third attempt to open the database again after an
    /// input/output error; the first is made at once, and after the third the store gives up.
    /// 1 s and 10 s: a disk that was reset is back by then (the kernel gives a command 30 s,
    /// `/sys/block/*/device/timeout`, and those had passed before the error came).
    pub reopen_pauses: [Duration; 2],
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            window_max_changes: 10_000,
            window_max_bytes: 32 << 20,
            value_max_bytes: 3 << 20,
            queue_max_bytes: 64 << 20,
            group_max_writes: 1_024,
            group_max_bytes: 16 << 20,
            cache_bytes: 64 << 20,
            fast_recovery_bytes: 256 << 20,
            ballast_bytes: 4 << 20,
            journal_bytes: 8 << 20,
            reopen_pauses: [Duration::from_secs(1), Duration::from_secs(10)],
        }
    }
}
