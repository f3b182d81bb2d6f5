//! What this machine uses as a whole, whoever runs on it.
//!
//! On Linux from `/proc/stat` and `/proc/meminfo` (proc_stat(5), proc_meminfo(5)), counted as the
//! kubelet counts a node: its root group has what is not free, and the files in it that nobody has
//! used lately could be had back (`cadvisor/container/libcontainer/handler.go`, `setMemoryStats`).

use crate::stats::{Stats, StatsError};

/// What this machine uses; its start is the last boot.
///
/// # Errors
/// This is no Linux, or the files cannot be read.
#[cfg(target_os = "linux")]
pub fn stats() -> Result<Stats, StatsError> {
    let unread = |found: &str| StatsError::Unread { of: "this machine".to_owned(), found: found.to_owned() };
    let read =
        |path: &str| std::fs::read_to_string(path).map_err(|error| unread(&format!("{path}: {error}")));
    let (stat, meminfo) = (read("/proc/stat")?, read("/proc/meminfo")?);
    let ticks = used_ticks(&stat).ok_or_else(|| unread("/proc/stat has no line of all cores"))?;
    let memory_bytes = working_set(&meminfo).ok_or_else(|| unread("/proc/meminfo lacks fields"))?;
    Ok(Stats { at: std::time::SystemTime::now(), cpu: crate::process::of_ticks(ticks), memory_bytes })
}

/// Elsewhere nobody tells it.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn stats() -> Result<Stats, StatsError> {
    Err(StatsError::NotSupported("what a machine uses is told on Linux only"))
}

/// Time that somebody has used: `user nice system idle iowait irq softirq …`, of which guests are in
/// `user` already, and what another machine on this one's cores has taken (`steal`) is not used here.
#[cfg(target_os = "linux")]
fn used_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_ascii_whitespace().map_while(|number| number.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, ..] = ticks.as_slice() else { return None };
    Some(user + nice + system + irq + softirq)
}

#[cfg(target_os = "linux")]
fn working_set(meminfo: &str) -> Option<u64> {
    let kib = |name: &str| {
        let rest = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    let used = kib("MemTotal")?.saturating_sub(kib("MemFree")?);
    used.saturating_sub(kib("Inactive(file)")?).checked_mul(1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn idle_time_and_files_that_nobody_uses_do_not_count() {
        let stat = "cpu  10 2 30 400 5 6 7 8 9 0\ncpu0 1 1 1 1 1 1 1 0 0 0\n";
        assert_eq!(used_ticks(stat), Some(10 + 2 + 30 + 6 + 7));
        assert_eq!(used_ticks("intr 1 2 3\n"), None);
        let meminfo = "MemTotal:  1000 kB\nMemFree:  300 kB\nInactive:  250 kB\nInactive(file):  200 kB\n";
        assert_eq!(working_set(meminfo), Some(500 * 1024));
        assert_eq!(working_set("MemTotal:  1000 kB\n"), None);
    }

    #[test]
    fn this_machine_uses_less_than_it_has_and_ever_more_time() {
        let (first, second) = (stats().unwrap(), stats().unwrap());
        assert!(first.memory_bytes > 0 && first.cpu.as_nanos() > 0, "{first:?}");
        assert!(second.cpu >= first.cpu && second.at >= first.at, "{first:?} {second:?}");
    }
}
