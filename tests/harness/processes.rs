//! The processes of one Spur's pods, found by the mark in their environment.

use std::path::Path;

/// The variable that marks every process of a pod with the runtime's id.
const MARK: &str = "SPUR_CONTAINER";

/// A process as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) command: String,
}

/// What tells a data directory's processes from those of another one; `None`
/// before its first start.
pub(crate) fn runtime_id(data: &Path) -> Option<String> {
    let id = std::fs::read_to_string(data.join("pods/id")).ok()?;
    Some(id.trim().to_owned())
}

/// Every living process of the pods below this data directory. Where a process'
/// environment cannot be read (not Linux), there is nothing to find.
pub(crate) fn of_pods(data: &Path) -> Vec<Process> {
    let Some(id) = runtime_id(data) else { return Vec::new() };
    let mark = format!("{MARK}={id}/");
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| process(pid, &mark)).collect()
}

/// Whether a process of this number lives; a zombie does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The state follows the name, which stands in brackets and may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn process(pid: u32, mark: &str) -> Option<Process> {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let is_marked = environ.split(|byte| *byte == 0).any(|var| var.starts_with(mark.as_bytes()));
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    (is_marked && is_alive(pid)).then_some(Process { pid, command })
}
