//! Changes of objects as the API tells them.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::client::{ApiError, Client, Status};
use spur_tui::Lines;

/// A watch that has begun.
pub(crate) struct Watch {
    lines: Lines,
    url: String,
}

/// What happened to an object.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    /// It is there, new or changed.
    There(Value),
    /// It is gone; this is how it was last.
    Gone(Value),
}

// === impl Watch ===

impl Watch {
    /// Watches a collection from a resourceVersion on; `query` begins with `?`
    /// or is empty.
    pub(crate) async fn start(
        client: &Client,
        path: &str,
        resource_version: &str,
        accept: &str,
    ) -> Result<Self, ApiError> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{joint}watch=true&resourceVersion={resource_version}");
        let lines = client.lines(&path, accept).await?;
        Ok(Self { lines, url: client.url().to_owned() })
    }

    /// The next change; `None` when the server ends the watch, which it does
    /// from time to time. May be dropped while it waits without losing anything.
    ///
    /// # Errors
    /// When the connection breaks, or the watch has fallen behind (`410 Gone`).
    pub(crate) async fn next(&mut self) -> Result<Option<Change>> {
        loop {
            let tried = || format!("failed to watch {}", self.url);
            let Some(line) = self.lines.next().await.with_context(tried)? else {
                return Ok(None);
            };
            let mut event: Value = serde_json::from_slice(&line).with_context(tried)?;
            let object = event["object"].take();
            match event["type"].as_str() {
                Some("ADDED" | "MODIFIED") => return Ok(Some(Change::There(object))),
                Some("DELETED") => return Ok(Some(Change::Gone(object))),
                Some("BOOKMARK") => {}
                Some("ERROR") => {
                    let code = object["code"].as_u64().and_then(|code| code.try_into().ok()).unwrap_or(500);
                    let status = Status::read(code, object.to_string().as_bytes());
                    bail!(ApiError::Status(status));
                }
                other => bail!("the server sent an unknown event: {}", other.unwrap_or("without a type")),
            }
        }
    }
}
