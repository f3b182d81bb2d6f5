//! The one place that turns errors into exit codes and lines on stderr.
//!
//! Errors travel as `anyhow`; what a program may want to tell apart has its
//! type beside the code that raises it ([`ApiError`], [`ManifestError`]), and
//! everything else is a [`Failure`]: a message, perhaps a hint, an exit code.

use std::io;
use std::process::ExitCode;

use spur_trace::sanitize_for_terminal;

use crate::client::ApiError;
use crate::console::Console;
use crate::manifest::ManifestError;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success,
    /// It could not be done.
    Failed,
    /// The arguments or files cannot be used.
    Usage,
    /// No server answers.
    NoServer,
    /// The time was up.
    TimedOut,
    /// The environment of `test` or `demo` failed.
    EnvironmentFailed,
    /// The command given to `test` cannot be run.
    NotExecutable,
    /// The command given to `test` was not found.
    CommandNotFound,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// As the command given to `test` ended: its code, or 128 and its signal.
    Command(u8),
}

/// The table of exit codes as `spur --help` shows it. A test compares it with [`Exit::code`].
pub(crate) const EXIT_CODES_HELP: &str = "\
Exit codes:
  0    done
  1    failed: the server refused, an object is missing, a step was not as expected
  2    wrong arguments, or a file that cannot be used
  3    no server answers
  124  timed out (wait, delete, sandbox create, test)
  125  the environment failed (test, demo)
  126  the command cannot be run (test)
  127  the command was not found (test)
  130  interrupted by Ctrl-C
  143  ended by SIGTERM
  test otherwise exits with the command's own code, or 128 and its signal.";

/// What went wrong, what to do about it, and how to exit.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    exit: Exit,
}

/// Tells the user what went wrong, and says how to exit.
pub(crate) fn report(console: &mut Console, error: &anyhow::Error) -> Exit {
    if is_broken_pipe(error) {
        // The reader has seen enough, as in `spur trace | head`.
        return Exit::Success;
    }
    let label = console.talk_paint().red("error:");
    console.talk(&format!("{label} {}", printable(&format!("{error:#}"))));
    if let Some(hint) = hint(error) {
        let label = console.talk_paint().bold("hint:");
        console.talk(&format!("{label} {}", printable(&hint)));
    }
    exit(error)
}

/// Errors quote files, objects and servers; their lines stay, the rest is shown.
fn printable(text: &str) -> String {
    text.lines().map(sanitize_for_terminal).collect::<Vec<_>>().join("\n")
}

/// How to exit after an error.
pub(crate) fn exit(error: &anyhow::Error) -> Exit {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.exit;
    }
    if let Some(error) = error.downcast_ref::<ApiError>() {
        return match error {
            ApiError::Refused { .. } | ApiError::Unreachable { .. } => Exit::NoServer,
            ApiError::Status(_) | ApiError::Broken { .. } => Exit::Failed,
        };
    }
    if error.downcast_ref::<ManifestError>().is_some() {
        return Exit::Usage;
    }
    Exit::Failed
}

/// What the user may do about an error.
pub(crate) fn hint(error: &anyhow::Error) -> Option<String> {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.hint.clone();
    }
    if let Some(error) = error.downcast_ref::<ApiError>() {
        return error.hint();
    }
    error.downcast_ref::<ManifestError>().and_then(ManifestError::hint)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

// === impl Exit ===

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NoServer => 3,
            Self::TimedOut => 124,
            Self::EnvironmentFailed => 125,
            Self::NotExecutable => 126,
            Self::CommandNotFound => 127,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Command(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

// === impl Failure ===

impl Failure {
    /// Something that could not be done: exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit: Exit::Failed }
    }

    /// Arguments that cannot be used.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(message).exit(Exit::Usage)
    }

    /// The same with the command or field to change.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with another exit code.
    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Exit; 10] = [
        Exit::Success,
        Exit::Failed,
        Exit::Usage,
        Exit::NoServer,
        Exit::TimedOut,
        Exit::EnvironmentFailed,
        Exit::NotExecutable,
        Exit::CommandNotFound,
        Exit::Interrupted,
        Exit::Terminated,
    ];

    #[test]
    fn the_help_lists_every_exit_code_and_no_other() {
        let listed: Vec<u8> =
            EXIT_CODES_HELP.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
        assert_eq!(listed, ALL.map(Exit::code));
    }

    #[test]
    fn the_commands_own_code_is_passed_on() {
        assert_eq!(Exit::Command(37).code(), 37);
    }

    #[test]
    fn an_error_keeps_its_exit_and_hint_under_context() {
        let error = anyhow::Error::new(Failure::usage("bad").hint("do this")).context("failed to x");
        assert_eq!(exit(&error), Exit::Usage);
        assert_eq!(hint(&error).as_deref(), Some("do this"));
    }

    #[test]
    fn a_reader_that_has_enough_is_no_failure() {
        let error = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe));
        let (mut console, screen) = Console::captured();
        assert_eq!(report(&mut console, &error), Exit::Success);
        assert_eq!(screen.talk(), "");
    }
}
