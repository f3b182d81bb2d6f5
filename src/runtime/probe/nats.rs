//! NATS: the server speaks first,
//! <https://docs.nats.io/reference/reference-protocols/nats-protocol#info>.

use serde_json::Value;

use super::exchange::{Exchange, shown, told};

/// `INFO` lists the addresses of a cluster, some 30 bytes each; 64 KiB are two thousand of
/// them (our choice).
const LINE_MAX_BYTES: usize = 64 * 1024;

/// A version is a few characters; nobody reads a longer one.
const VERSION_MAX_CHARS: usize = 40;

pub(super) async fn ask(server: &mut Exchange) -> Result<String, String> {
    // The first word alone tells a stranger, who may never end a line.
    let start = server.read::<5>().await?;
    if !start.eq_ignore_ascii_case(b"INFO ") {
        return Err(format!("wanted INFO, found {}", shown(&start)));
    }
    let line = server.read_line(LINE_MAX_BYTES).await?;
    let info: Value =
        serde_json::from_slice(&line).map_err(|_| format!("INFO is no JSON: {}", shown(&line)))?;
    if !info.is_object() {
        return Err(format!("INFO is no object: {}", shown(&line)));
    }
    if info["ldm"] == true {
        return Err("it is in lame duck mode: it is shutting down".to_owned());
    }
    let version = info["version"].as_str().unwrap_or("of an unknown version");
    Ok(format!("NATS {}", told(version.as_bytes(), VERSION_MAX_CHARS)))
}
