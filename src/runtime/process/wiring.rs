//! Starting a program with its standard streams connected as they are wanted:
//! to pipes, to a terminal, or to nothing.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use tokio::io::AsyncRead;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use super::terminal::{Terminal, no_terminal_is_opened};
use crate::session::{Stdin, Streams, TerminalSize};

/// Where a program's output is read.
pub(super) type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// Our ends of a program's standard streams; `None` where it is not wanted.
pub(super) struct Ends {
    pub(super) stdin: Option<Stdin>,
    pub(super) stdout: Option<Reader>,
    pub(super) stderr: Option<Reader>,
    /// To change its size.
    pub(super) terminal: Option<Terminal>,
}

/// Starts `command` as the leader of a group of its own. Needs a tokio runtime.
pub(super) fn spawn(command: Command, streams: &Streams) -> io::Result<(Child, Ends)> {
    let (mut child, terminal) = match streams.terminal {
        Some(size) => on_terminal(command, size)?,
        None => (on_pipes(command, streams)?, None),
    };
    match ends(&mut child, terminal, streams) {
        Ok(ends) => Ok((child, ends)),
        Err(error) => {
            // Nobody would see to it, so it must not run.
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// The leader of a new session leads a new group too.
fn on_terminal(command: Command, size: TerminalSize) -> io::Result<(Child, Option<Terminal>)> {
    let (child, terminal) = Terminal::spawn(command, size)?;
    Ok((child, Some(terminal)))
}

fn on_pipes(mut command: Command, streams: &Streams) -> io::Result<Child> {
    let wanted = |is_wanted| if is_wanted { Stdio::piped() } else { Stdio::null() };
    command
        .stdin(wanted(streams.stdin))
        .stdout(wanted(streams.stdout))
        .stderr(wanted(streams.stderr))
        .process_group(0);
    let _none_is_opened = no_terminal_is_opened();
    command.spawn()
}

fn ends(child: &mut Child, terminal: Option<Terminal>, streams: &Streams) -> io::Result<Ends> {
    let (stdin, stdout) = match &terminal {
        Some(terminal) => {
            let (stdin, stdout) = terminal.pipes()?;
            // Its output in any case: a program whose terminal nobody reads soon stands still.
            (Some(stdin).filter(|_| streams.stdin), Some(stdout))
        }
        None => {
            let stdin = child.stdin.take().map(ChildStdin::from_std).transpose()?;
            (stdin, child.stdout.take().map(ChildStdout::from_std).transpose()?)
        }
    };
    let stderr = child.stderr.take().map(ChildStderr::from_std).transpose()?;
    Ok(Ends {
        stdin: stdin.map(|pipe| Box::new(pipe) as Stdin),
        stdout: stdout.map(|pipe| Box::new(pipe) as Reader),
        stderr: stderr.map(|pipe| Box::new(pipe) as Reader),
        terminal,
    })
}
