//! The routing table of a folder of YAML, while its files change.
//!
//! What objects mean is `spur-compile`'s business. A folder with a fault in it changes nothing: the
//! table from before stays, and the fault is told with its file, line and column.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use spur_compile::files::{Fault, File, FromFiles, table_of};
use spur_route::RoutingTable;
use tokio::sync::mpsc;

use crate::say::say;

/// How long files have to be at rest before they are read: an editor writes a file in several
/// steps, and `kubectl`-like tools several files. A person does not notice it.
const AT_REST: Duration = Duration::from_millis(20);

/// A folder, or several, and what they come to.
pub(crate) struct Folder {
    names: Vec<PathBuf>,
    /// The port of the entry listener, which stands for that port of gateways.
    entry_port: u16,
    revision: u64,
    last: Vec<File>,
}

/// Files that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// A file or folder cannot be read.
    #[error("{0:#}")]
    Read(anyhow::Error),
    /// What is in them is wrong.
    #[error("{}", lines(.0))]
    Faults(Vec<Fault>),
}

// === impl Folder ===

impl Folder {
    pub(crate) fn new(names: Vec<PathBuf>, entry_port: u16) -> Self {
        Self { names, entry_port, revision: 0, last: Vec::new() }
    }

    /// Reads everything; `None` where nothing has changed.
    ///
    /// # Errors
    /// When a file cannot be read, or there is a fault in one.
    pub(crate) fn read(&mut self) -> Result<Option<FromFiles>, FolderError> {
        let files = spur_cli::texts(&self.names).map_err(FolderError::Read)?;
        if files == self.last && self.revision > 0 {
            return Ok(None);
        }
        let read = table_of(self.revision + 1, &files);
        // A fault is told once, and not each time that another file changes its time.
        self.last = files;
        let mut read = read.map_err(FolderError::Faults)?;
        self.revision += 1;
        read.table = read.table.with_entry_port(self.entry_port);
        Ok(Some(read))
    }

    /// Keeps `table` what the files say, for as long as it is polled; `published` is called with
    /// each new one.
    ///
    /// # Errors
    /// When the system cannot watch them.
    pub(crate) async fn follow(
        mut self,
        table: Arc<ArcSwap<RoutingTable>>,
        mut published: impl FnMut(&RoutingTable),
    ) -> Result<()> {
        let (changed_tx, mut changed_rx) = mpsc::channel(1);
        let _watcher = watch(&self.names, changed_tx)?;
        loop {
            // What has changed between reading and watching.
            match self.read() {
                Ok(Some(read)) => {
                    remark(&read);
                    published(&read.table);
                    table.store(Arc::new(read.table));
                    say(format_args!("took over {} objects, revision {}", read.n_objects, self.revision));
                }
                Ok(None) => {}
                Err(error) => say(format_args!("error: {error}\nthe rules stay as they were")),
            }
            if changed_rx.recv().await.is_none() {
                return Ok(());
            }
            while tokio::time::timeout(AT_REST, changed_rx.recv()).await.is_ok_and(|more| more.is_some()) {}
        }
    }
}

/// Tells what is right and not obeyed.
pub(crate) fn remark(read: &FromFiles) {
    for remark in &read.remarks {
        say(format_args!("warning: {remark}"));
    }
}

/// Sends when anything below the names changes. The folder that a file is in is watched, since
/// editors put a new file in the place of the old one.
fn watch(names: &[PathBuf], changed_tx: mpsc::Sender<()>) -> Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the files is no change; one that waits is as good as many.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            let _full_is_enough = changed_tx.try_send(());
        }
    })
    .context("failed to watch files")?;
    for name in names {
        let dir = if name.is_dir() { name.as_path() } else { name.parent().unwrap_or(name) };
        let dir = if dir.as_os_str().is_empty() { std::path::Path::new(".") } else { dir };
        watcher
            .watch(dir, RecursiveMode::NonRecursive)
            .with_context(|| format!("failed to watch `{}`", dir.display()))?;
    }
    Ok(watcher)
}

fn lines(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
