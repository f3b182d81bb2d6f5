//! Whether the process of that number is still the same process. Numbers are
//! given out again; a number together with the moment its process began is not.

use rustix::process::Pid;

#[cfg(target_os = "linux")]
use super::stat::Stat;

/// What tells a process from every other one that had or will have its number: on Linux
/// the boot and the clock tick in which it began, elsewhere the second.
pub(super) type Mark = String;

/// A process that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) mark: Mark,
    /// It has ended, and only waits for its parent to take note.
    pub(super) is_zombie: bool,
}

/// Looks at a process; `None` if there is none of that number.
#[cfg(target_os = "linux")]
pub(super) fn look(pid: Pid) -> Option<Seen> {
    let Stat { state, start_ticks, .. } = Stat::read(pid.as_raw_nonzero().get().unsigned_abs())?;
    // Ticks count from the machine's start.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(Seen { mark: format!("{} {start_ticks}", boot.trim()), is_zombie: matches!(state, 'Z' | 'X') })
}

/// Looks at a process; `None` if there is none of that number.
#[cfg(not(target_os = "linux"))]
pub(super) fn look(pid: Pid) -> Option<Seen> {
    let out = std::process::Command::new("ps")
        .args(["-o", "stat=", "-o", "lstart=", "-p"])
        .arg(pid.as_raw_nonzero().to_string())
        .env("LC_ALL", "C")
        .output()
        .ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    let (state, start) = text.trim().split_once(char::is_whitespace)?;
    Some(Seen { mark: start.trim().to_owned(), is_zombie: state.starts_with('Z') })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_keeps_its_mark_and_ends_as_a_zombie() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let seen = look(pid).unwrap();
        assert!(!seen.is_zombie);
        assert_eq!(look(pid), Some(seen.clone()));
        let ours = look(rustix::process::getpid()).unwrap();
        assert_eq!(look(rustix::process::getpid()), Some(ours));
        child.kill().unwrap();
        // `NOWAIT` waits for the end and leaves the zombie.
        let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), options).unwrap();
        assert!(look(pid).unwrap().is_zombie);
        child.wait().unwrap();
        assert_eq!(look(pid), None);
    }
}
