//! The routing table of a folder of YAML, while its files change.
//!
//! What objects mean is `spur-compile`'s business. A folder with a fault in it changes nothing: the
//! table from before stays, and the fault is told with its file, line and column.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use spur_compile::files::{Addresses, Fault, Files, FromFiles};
use spur_net::{Names, Resolved};
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
    files: Files,
    /// The names whose addresses are endpoints.
    resolved_names: Arc<BTreeSet<Box<str>>>,
    /// What is known of them.
    addresses: Addresses,
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
        Self {
            names,
            entry_port,
            revision: 0,
            files: Files::default(),
            resolved_names: Arc::default(),
            addresses: Addresses::new(),
        }
    }

    /// Reads everything; `None` where nothing has changed.
    ///
    /// # Errors
    /// When a file cannot be read, or there is a fault in one.
    pub(crate) fn read(&mut self) -> Result<Option<FromFiles>, FolderError> {
        let files = spur_cli::texts(&self.names).map_err(FolderError::Read)?;
        // A fault is told once, and not each time that another file changes its time.
        if !self.files.set(files) && self.revision > 0 {
            return Ok(None);
        }
        self.table().map(Some)
    }

    /// What the files of the last reading come to.
    fn table(&mut self) -> Result<FromFiles, FolderError> {
        let read = self.files.table(self.revision + 1, &self.addresses);
        let mut read = read.map_err(FolderError::Faults)?;
        self.revision += 1;
        self.resolved_names = read.names.clone();
        self.addresses.retain(|name, _| read.names.contains(name));
        read.table = read.table.with_entry_port(self.entry_port);
        Ok(read)
    }

    /// The same with a name's addresses; `None` while the files are faulty.
    fn resolve(&mut self, Resolved { name, addresses }: Resolved) -> Option<FromFiles> {
        self.addresses.insert(name, addresses);
        self.table().ok()
    }

    /// Keeps `table` what the files say and what the addresses are of the names in them, for as
    /// long as it is polled; `published` is called with each new one.
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
        let (mut names, mut resolved_rx) = Names::new();
        let mut publish = |read: FromFiles| {
            published(&read.table);
            table.store(Arc::new(read.table));
        };
        loop {
            // What has changed between reading and watching.
            match self.read() {
                Ok(Some(read)) => {
                    remark(&read);
                    let n_objects = read.n_objects;
                    publish(read);
                    say(format_args!("took over {n_objects} objects, revision {}", self.revision));
                }
                Ok(None) => {}
                Err(error) => say(format_args!("error: {error}\nthe rules stay as they were")),
            }
            names.keep(&self.resolved_names);
            loop {
                tokio::select! {
                    changed = changed_rx.recv() => match changed {
                        Some(()) => break,
                        None => return Ok(()),
                    },
                    Some(resolved) = resolved_rx.recv() => {
                        let Resolved { name, addresses } = &resolved;
                        let (name, n_addresses) = (name.clone(), addresses.len());
                        if let Some(read) = self.resolve(resolved) {
                            publish(read);
                            say(format_args!("resolved `{name}`, addresses: {n_addresses}"));
                        }
                    }
                }
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
