//! Whether the process of that number is still the same process. Numbers are
//! given out again; a number together with the moment its process began is not.

use rustix::process::Pid;

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
    let stat = std::fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let (state, start_ticks) = parse_stat(&stat)?;
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

/// Fields 3 (state) and 22 (starttime) of `/proc/PID/stat`,
/// <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>. Field 2 is the program's
/// name in parentheses and may itself hold anything, so fields count from the last `)`.
#[cfg(target_os = "linux")]
fn parse_stat(stat: &[u8]) -> Option<(char, u64)> {
    let end = stat.iter().rposition(|b| *b == b')')?;
    let fields = std::str::from_utf8(&stat[end + 1..]).ok()?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // State was field 3; 18 are between it and field 22.
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some((state, start_ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_may_hold_anything() {
        let stat = b"12 (a) R 1 \xff) S 1 12 12 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 1 1";
        assert_eq!(parse_stat(stat), Some(('S', 4242)));
        assert_eq!(parse_stat(b"12 (a) S 1"), None);
    }

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
