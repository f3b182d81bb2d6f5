//! Traces into a file, with what was captured of them.

use std::io::ErrorKind;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use spur_trace::{Capture, Trace, export};
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt;

use super::api;
use crate::event::{Export, ExportFormat};

/// Writes a new file; what was done, in words. A file that is there stays as it is.
pub(super) async fn write(client: &kube::Client, wanted: &Export) -> Result<String> {
    let Export { path, format, traces, secrets } = wanted;
    let mut found: Vec<(Arc<Trace>, Vec<Capture>)> = Vec::with_capacity(traces.len());
    for trace in traces {
        let is_captured = trace.hops.iter().any(|hop| hop.captured.is_some());
        let captures = match is_captured {
            true => captures(client, &api::captures(trace.trace_id, *secrets)).await?,
            false => Vec::new(),
        };
        found.push((trace.clone(), captures));
    }
    let text = match format {
        ExportFormat::Har => format!("{:#}\n", export::har(&found)),
        ExportFormat::JsonLines => {
            found.iter().map(|(trace, captures)| export::json_line(trace, captures)).collect()
        }
    };
    create(path, text.as_bytes()).await?;
    let n_captured: usize = found.iter().map(|(_, captures)| captures.len()).sum();
    let n_traces = found.len();
    let requests = if n_traces == 1 { "request" } else { "requests" };
    Ok(format!("wrote {n_traces} {requests} to {path}, {n_captured} hops with heads and bodies"))
}

async fn captures(client: &kube::Client, path: &str) -> Result<Vec<Capture>> {
    let mut answer = api::get(client, path).await?;
    serde_json::from_value(answer["captures"].take()).context("failed to read what was captured")
}

async fn create(path: &str, bytes: &[u8]) -> Result<()> {
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("`{path}` is there already; name another file")
        }
        Err(error) => return Err(anyhow!("failed to write `{path}`: {error}")),
    };
    let written = async {
        file.write_all(bytes).await?;
        file.flush().await
    };
    written.await.with_context(|| format!("failed to write `{path}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.har");
        let path = path.to_str().unwrap();
        create(path, b"one").await.unwrap();
        let error = create(path, b"two").await.unwrap_err();
        assert!(error.to_string().contains("is there already"), "{error}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "one");
    }
}
