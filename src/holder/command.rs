//! The command line by which this program starts itself for a pod, written and read here.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::enter::{EXIT_CODE, Entrance, Shown};
use crate::pod::Pod;

/// The first argument of all of these.
pub const NAME: &str = "__pod";

/// What this program is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodCommand {
    /// The holder of a pod's network.
    Hold(Pod),
    /// The same for nobody, to see whether it could.
    Try(Pod),
    /// A program in a pod's network.
    Enter {
        /// Where it is.
        entrance: Entrance,
        /// The program.
        path: OsString,
        /// Its name for itself and its arguments.
        words: Vec<OsString>,
    },
}

const HOLD: &str = "hold";
const TRY: &str = "try";
const ENTER: &str = "enter";
/// Comes before the program.
const PROGRAM: &str = "--";
const READ_ONLY: &str = "ro";
const WRITABLE: &str = "rw";

/// Runs what the arguments after [`NAME`] say to its end. To be called before there is a second
/// thread.
#[must_use]
pub fn run_pod(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match PodCommand::parse(args) {
        None => {
            eprintln!(
                "error: `{NAME}` is for Spur itself: `{HOLD}`, `{TRY}` and `{ENTER}`, with what they take"
            );
            ExitCode::from(2)
        }
        Some(PodCommand::Hold(pod)) => ended(pod.hold()),
        Some(PodCommand::Try(pod)) => ended(pod.try_out().map_err(io::Error::other)),
        Some(PodCommand::Enter { entrance, path, words }) => {
            eprintln!("spur: failed to {}", entrance.become_program(&path, &words));
            ExitCode::from(EXIT_CODE)
        }
    }
}

/// The reason is for whoever started it, and the only thing on stderr.
fn ended(ended: io::Result<()>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

// === impl PodCommand ===

impl PodCommand {
    /// As arguments, [`NAME`] first.
    #[must_use]
    pub fn args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec![NAME.into()];
        match self {
            Self::Hold(pod) => args.extend([HOLD.into()].into_iter().chain(pod_args(pod))),
            Self::Try(pod) => args.extend([TRY.into()].into_iter().chain(pod_args(pod))),
            Self::Enter { entrance: Entrance { pid, descriptor, shown }, path, words } => {
                args.extend([ENTER.into(), pid.to_string().into(), descriptor.to_string().into()]);
                for Shown { source, target, is_read_only } in shown {
                    let how = if *is_read_only { READ_ONLY } else { WRITABLE };
                    args.extend([how.into(), source.into(), target.into()]);
                }
                args.extend([PROGRAM.into(), path.clone()]);
                args.extend_from_slice(words);
            }
        }
        args
    }

    /// Out of the arguments after [`NAME`].
    fn parse(args: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut args = args.into_iter();
        let name = args.next()?;
        match name.to_str()? {
            HOLD => pod(args).map(Self::Hold),
            TRY => pod(args).map(Self::Try),
            ENTER => {
                let mut number = || args.next()?.to_str().map(str::to_owned);
                let (pid, descriptor) = (number()?.parse().ok()?, number()?.parse().ok()?);
                let mut shown = Vec::new();
                loop {
                    let is_read_only = match args.next()?.to_str()? {
                        PROGRAM => break,
                        READ_ONLY => true,
                        WRITABLE => false,
                        _ => return None,
                    };
                    let mut path = || args.next().map(PathBuf::from);
                    shown.push(Shown { source: path()?, target: path()?, is_read_only });
                }
                let path = args.next()?;
                Some(Self::Enter {
                    entrance: Entrance { pid, descriptor, shown },
                    path,
                    words: args.collect(),
                })
            }
            _ => None,
        }
    }
}

fn pod_args(Pod { address, host, services }: &Pod) -> impl Iterator<Item = OsString> {
    let services = services.iter().map(|(network, prefix_len)| format!("{network}/{prefix_len}"));
    [address.to_string(), host.to_string()].into_iter().chain(services).map(OsString::from)
}

fn pod(args: impl Iterator<Item = OsString>) -> Option<Pod> {
    let words: Vec<String> = args.map(|arg| arg.into_string().ok()).collect::<Option<_>>()?;
    let [address, host, services @ ..] = words.as_slice() else { return None };
    let network = |text: &String| {
        let (network, prefix_len) = text.split_once('/')?;
        Some((network.parse().ok()?, prefix_len.parse().ok().filter(|len| *len <= 32)?))
    };
    let services = services.iter().map(network).collect::<Option<_>>()?;
    Some(Pod { address: address.parse().ok()?, host: host.parse().ok()?, services })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let check = |command: PodCommand| {
            let args = command.args();
            assert_eq!(args[0], NAME);
            assert_eq!(PodCommand::parse(args.into_iter().skip(1)), Some(command));
        };
        let pod = Pod {
            address: Ipv4Addr::new(10, 211, 0, 2),
            host: Ipv4Addr::new(10, 211, 0, 1),
            services: vec![(Ipv4Addr::new(10, 96, 0, 0), 16)],
        };
        check(PodCommand::Hold(pod.clone()));
        check(PodCommand::Try(Pod { services: Vec::new(), ..pod }));
        let shown = vec![Shown { source: "/a b".into(), target: "/etc/hosts".into(), is_read_only: true }];
        for shown in [shown, Vec::new()] {
            let entrance = Entrance { pid: 7, descriptor: 3, shown };
            let words = ["ro", "--", "-c"].map(OsString::from).to_vec();
            check(PodCommand::Enter { entrance, path: "/bin/sh".into(), words });
        }
    }

    #[test]
    fn nothing_else_is_taken() {
        for args in [
            &[][..],
            &["hold"],
            &["hold", "10.211.0.2"],
            &["hold", "10.211.0.2", "10.211.0.1", "10.96.0.0"],
            &["hold", "10.211.0.2", "10.211.0.1", "10.96.0.0/33"],
            &["enter", "7", "3"],
            &["enter", "7", "3", "--"],
            &["enter", "7", "3", "rw", "/a", "--", "x"],
            &["other"],
        ] {
            assert_eq!(PodCommand::parse(args.iter().map(OsString::from)), None, "{args:?}");
        }
    }
}
