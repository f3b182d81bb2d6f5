//! `spur version`.

use anyhow::Result;
use serde_json::json;

use crate::args::VersionArgs;
use crate::console::Console;
use crate::error::Exit;
use crate::render;

/// The version of this program; every crate has the same.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs `spur version`.
pub(crate) fn run(args: &VersionArgs, console: &mut Console) -> Result<Exit> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    match args.output {
        None => console.line(&format!("spur {VERSION} ({os}/{arch})"))?,
        Some(format) => {
            let version = json!({"version": VERSION, "os": os, "arch": arch});
            console.bytes(render::structured(format, &version).as_bytes())?;
        }
    }
    Ok(Exit::Success)
}
