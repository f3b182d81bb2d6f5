//! What this binary is inside other namespaces, where Spur starts it itself: no command for people,
//! so that it is told by the first argument, before any is parsed and before there is a thread.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What it is to be.
#[derive(Debug, PartialEq, Eq)]
enum Inside {
    /// Makes sockets for whoever connects to this path.
    Holder(PathBuf),
    /// Makes, tries or enters the namespaces of a pod of processes.
    Pod(Vec<OsString>),
    /// Keeps namespaces alive and does nothing.
    Pause,
    /// One of them, with other arguments than it takes.
    Mistaken,
}

/// Runs to its end what the arguments name; `None` where they are meant for people.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let ended = match named(args)? {
        Inside::Holder(path) => hold(&path),
        Inside::Pod(args) => return Some(pod(args)),
        Inside::Pause => pause(),
        Inside::Mistaken => {
            eprintln!("error: `__holder` takes the path of a socket, and `__pause` takes nothing");
            return Some(ExitCode::from(2));
        }
    };
    Some(match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    })
}

fn named(args: impl IntoIterator<Item = OsString>) -> Option<Inside> {
    let mut args = args.into_iter();
    let name = args.next()?;
    if name == "__pod" {
        return Some(Inside::Pod(args.collect()));
    }
    let is_holder = name == "__holder";
    if !is_holder && name != "__pause" {
        return None;
    }
    Some(match (is_holder, args.next(), args.next()) {
        (true, Some(path), None) => Inside::Holder(path.into()),
        (false, None, _) => Inside::Pause,
        _ => Inside::Mistaken,
    })
}

#[cfg(target_os = "linux")]
fn hold(path: &Path) -> io::Result<()> {
    let at = |error: io::Error| io::Error::new(error.kind(), format!("hold `{}`: {error}", path.display()));
    spur_holder::hold(path).map_err(at)
}

#[cfg(target_os = "linux")]
fn pod(args: Vec<OsString>) -> ExitCode {
    spur_holder::run_pod(args)
}

#[cfg(target_os = "linux")]
fn pause() -> io::Result<()> {
    spur_holder::pause()
}

#[cfg(not(target_os = "linux"))]
fn hold(_: &Path) -> io::Result<()> {
    pause()
}

#[cfg(not(target_os = "linux"))]
fn pod(_: Vec<OsString>) -> ExitCode {
    eprintln!("network namespaces are not supported on this system");
    ExitCode::FAILURE
}

#[cfg(not(target_os = "linux"))]
fn pause() -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "network namespaces are not supported on this system"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_spur_starts_itself_is_taken() {
        let check = |args: &[&str], expected| assert_eq!(named(args.iter().map(OsString::from)), expected);
        check(&[], None);
        check(&["up", "__holder"], None);
        check(&["--help"], None);
        check(&["__holder", "/run/spur/holder.sock"], Some(Inside::Holder("/run/spur/holder.sock".into())));
        check(&["__pod", "try"], Some(Inside::Pod(vec!["try".into()])));
        check(&["__pause"], Some(Inside::Pause));
        check(&["__holder"], Some(Inside::Mistaken));
        check(&["__holder", "a", "b"], Some(Inside::Mistaken));
        check(&["__pause", "a"], Some(Inside::Mistaken));
    }
}
