//! What is recorded of requests: the collector, what is kept of it on disk, what is sent on to
//! another collector, and how they end.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use spur_intake::{ExportCounts, ExportProgress, ExportTarget, Exporter};
use spur_trace::{Collector, Limits, Redaction, Ring, SpanSender, Spill, SpillCounts, SpillTo, TraceReader};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::say::say;

/// What runs.
pub(crate) struct Recording {
    pub(crate) traces: TraceReader,
    pub(crate) spans: SpanSender,
    collector: JoinHandle<()>,
    /// Ends with the collector.
    spill: Option<JoinHandle<()>>,
    /// Likewise.
    exporter: Option<JoinHandle<()>>,
    stop: CancellationToken,
    told: Told,
}

/// What is told of it, by whoever asks.
#[derive(Clone)]
pub(crate) struct Told {
    spilled: Option<Arc<SpillCounts>>,
    exported: Option<(String, ExportProgress)>,
}

/// How it is asked for.
pub(crate) struct Wanted {
    pub(crate) rings: Vec<Arc<Ring>>,
    pub(crate) redaction: Arc<Redaction>,
    /// Where traces are kept over a restart.
    pub(crate) disk: Option<SpillTo>,
    /// Where they are sent to.
    pub(crate) export: Option<ExportTarget>,
}

// === impl Recording ===

impl Recording {
    /// Starts all of it. What an earlier process left on disk is read beside the rest of the start.
    pub(crate) fn start(wanted: Wanted) -> Result<Self> {
        let Wanted { rings, redaction, disk, export } = wanted;
        let stop = CancellationToken::new();
        let limits = Limits::default();
        let (collector, traces) = spur_trace::collector(rings, limits);
        let spans = collector.spans();
        // Before a file of our own is there, what is to be read is listed by nobody else.
        let spill = disk.as_ref().map(|to| {
            let tried = || format!("failed to keep requests in `{}`", to.dir.display());
            Spill::start(to, (&collector, traces.clone()), redaction).with_context(tried)
        });
        let spill = spill.transpose()?;
        let spilled = spill.as_ref().map(Spill::counts);
        let collector = tokio::spawn(run(collector, disk, limits, stop.clone()));
        let spill = spill.map(|spill| tokio::spawn(spill.run()));
        let exporter = export.map(|target| (target.to_string(), Exporter::new(target, traces.clone())));
        let exported = exporter.as_ref().map(|(to, exporter)| (to.clone(), exporter.progress()));
        let exporter = exporter.map(|(_, exporter)| tokio::spawn(exporter.run()));
        let told = Told { spilled, exported };
        Ok(Self { traces, spans, collector, spill, exporter, stop, told })
    }

    /// What is told of it.
    pub(crate) fn told(&self) -> Told {
        self.told.clone()
    }

    /// Ends it, once nobody records any more: the last traces are written and sent.
    pub(crate) async fn end(self) {
        let Self { traces: _, spans: _, collector, spill, exporter, stop, told: _ } = self;
        stop.cancel();
        // One that panicked was reported when it did.
        let _ = collector.await;
        for task in [spill, exporter].into_iter().flatten() {
            let _ = task.await;
        }
    }
}

/// Reads what was left, then collects.
async fn run(mut collector: Collector, disk: Option<SpillTo>, limits: Limits, stop: CancellationToken) {
    if let Some(from) = disk {
        let max = limits.max_traces + limits.max_kept_traces;
        let dir = from.dir.display().to_string();
        match tokio::task::spawn_blocking(move || spur_trace::restore(&from, max)).await {
            Ok(Ok(restored)) => {
                if restored.n_broken > 0 {
                    tracing::warn!(n = restored.n_broken, "lines of recorded requests cannot be read");
                }
                collector.restore(restored.traces);
            }
            Ok(Err(error)) => say(format_args!("warning: requests in `{dir}` cannot be read: {error}")),
            Err(error) => say(format_args!("warning: requests in `{dir}` cannot be read: {error}")),
        }
    }
    collector.run(stop).await;
}

// === impl Told ===

impl Told {
    /// What was kept on disk; `null` where nothing is.
    pub(crate) fn disk(&self) -> Value {
        json!(self.spilled.as_ref().map(|counts| json!({
            "written": counts.n_written(),
            "lost": counts.n_lost(),
            "fault": counts.fault(),
        })))
    }

    /// What was sent on; `null` where nothing is.
    pub(crate) fn export(&self) -> Value {
        json!(self.exported.as_ref().map(|(to, progress)| export(to, progress.counts())))
    }
}

/// What was sent on.
fn export(to: &str, counts: ExportCounts) -> Value {
    let ExportCounts { n_spans, n_sent, n_rejected, n_failed, n_dropped, n_lost_traces } = counts;
    json!({
        "to": to,
        "spans": n_spans,
        "sent": n_sent,
        "rejected": n_rejected,
        "failed": n_failed,
        "dropped": n_dropped,
        "lostTraces": n_lost_traces,
    })
}
