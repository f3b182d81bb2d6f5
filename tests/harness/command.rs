//! `spur …` as a person or a script runs it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

/// Above every command's own deadline in these tests.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// How a command ended, and what it said.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The binary, with nothing of the developer's own set-up around it.
pub(crate) fn spur(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spur"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home).env("TMPDIR", home).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(mut command: Command) -> impl Future<Output = Output> {
    let place = std::panic::Location::caller();
    async move {
        let ended = tokio::time::timeout(ENDS_WITHIN, command.output()).await;
        let ended = ended.unwrap_or_else(|_| panic!("{place}: {command:?} took over {ENDS_WITHIN:?}"));
        let output = ended.unwrap_or_else(|error| panic!("{place}: {command:?}: {error}"));
        Output {
            // None stands for a signal, which no command should end by.
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

// === impl Output ===

impl Output {
    /// The same, where it succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.code(0)
    }

    /// The same, where it ended with this code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr))
    }

    /// Every one of the texts is somewhere in what it said to people.
    #[track_caller]
    pub(crate) fn tells(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text), "`{text}` is not in stderr:\n{}", self.stderr);
        }
        self
    }

    /// Every one of the texts is somewhere in its data.
    #[track_caller]
    pub(crate) fn prints(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stdout.contains(text), "`{text}` is not in stdout:\n{}", self.stdout);
        }
        self
    }

    /// It has no data.
    #[track_caller]
    pub(crate) fn prints_nothing(self) -> Self {
        assert_eq!(self.stdout, "");
        self
    }
}
