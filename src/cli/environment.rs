//! What the process finds around it; read once, by the binary.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the commands know of the process they run in.
#[derive(Clone, Debug)]
pub struct Environment {
    /// This executable, which `demo` and `test` start as `up`.
    pub executable: PathBuf,
    /// `KUBECONFIG` as it is: one path or several. Empty counts as absent.
    pub kubeconfig: Option<OsString>,
    /// The kubeconfig that `spur up` writes into its usual data directory.
    pub default_kubeconfig: PathBuf,
    /// Where temporary directories are made.
    pub temp_dir: PathBuf,
    /// Where what the user chose is kept between two runs.
    pub state_dir: PathBuf,
    /// Whether the locale says that text is something else than UTF-8.
    pub is_ascii: bool,
    /// Whether colour is wanted where there is a terminal: no `NO_COLOR`
    /// (<https://no-color.org>), and `TERM` is not `dumb`.
    pub wants_colour: bool,
    /// Whether standard input is a terminal.
    pub is_stdin_terminal: bool,
    /// Whether standard output is a terminal.
    pub is_stdout_terminal: bool,
    /// Whether standard error is a terminal.
    pub is_stderr_terminal: bool,
}
