//! What the environment says; nothing else in the project reads it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use spur_cli::Environment;
use spur_runtime::docker::EngineAddress;
use tracing_subscriber::EnvFilter;

/// What the environment says.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// What the commands need to know.
    pub(crate) environment: Environment,
    /// Where `spur up` keeps its data unless told otherwise.
    pub(crate) data_dir: PathBuf,
    /// The user's home.
    pub(crate) home: Option<PathBuf>,
    /// Where environments write down that they run.
    pub(crate) state_dir: PathBuf,
    /// Where the Docker engine is, unless it is where it usually is.
    pub(crate) docker: EngineAddress,
    /// The headers with which traces are sent on, as OpenTelemetry's libraries take them.
    pub(crate) otlp_headers: Option<String>,
    /// The few variables that pods inherit.
    pub(crate) pod_env: BTreeMap<String, String>,
    /// `SPUR_LOG`: which of our own log lines are wanted.
    log_filter: String,
}

// === impl Config ===

impl Config {
    /// Reads the environment.
    pub(crate) fn read() -> Self {
        let home = var("HOME").map(PathBuf::from);
        let data_dir = data_dir(home.clone());
        let environment = Environment {
            executable: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("spur")),
            kubeconfig: var("KUBECONFIG"),
            default_kubeconfig: data_dir.join("kubeconfig"),
            temp_dir: std::env::temp_dir(),
            state_dir: state_dir(home.clone()),
            is_ascii: ["LC_ALL", "LC_CTYPE", "LANG"]
                .into_iter()
                .find_map(var)
                .is_some_and(|it| !is_utf8(&it)),
            wants_colour: var("NO_COLOR").is_none() && var("TERM").is_none_or(|term| term != "dumb"),
            is_stdin_terminal: std::io::stdin().is_terminal(),
            is_stdout_terminal: std::io::stdout().is_terminal(),
            is_stderr_terminal: std::io::stderr().is_terminal(),
        };
        Self {
            environment,
            data_dir,
            state_dir: state_dir(home.clone()),
            docker: docker(home.as_deref()),
            home,
            otlp_headers: ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"]
                .into_iter()
                .find_map(var)
                .map(|headers| headers.to_string_lossy().into_owned()),
            pod_env: spur_runtime::process::inherited(std::env::vars_os()),
            log_filter: var("SPUR_LOG")
                .and_then(|filter| filter.into_string().ok())
                .unwrap_or_else(|| "warn".to_owned()),
        }
    }
}

/// `DOCKER_HOST`; and where `DOCKER_TLS_VERIFY` is set to anything, the certificates in
/// `DOCKER_CERT_PATH`, else those in `~/.docker`
/// (<https://docs.docker.com/engine/security/protect-access/#secure-by-default>).
fn docker(home: Option<&Path>) -> EngineAddress {
    let host = var("DOCKER_HOST").map(|host| host.to_string_lossy().into_owned());
    let certificates = || {
        let folder = var("DOCKER_CERT_PATH").map(PathBuf::from);
        folder.unwrap_or_else(|| home.unwrap_or(Path::new("/")).join(".docker"))
    };
    EngineAddress { host, certificates: var("DOCKER_TLS_VERIFY").map(|_| certificates()) }
}

/// The value of a variable that the user has named.
pub(crate) fn named(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Sends our own log lines to stderr.
pub(crate) fn start_log(config: &Config) {
    let filter = EnvFilter::try_new(&config.log_filter).unwrap_or_else(|error| {
        eprintln!("warning: SPUR_LOG is ignored: {error}");
        EnvFilter::new("warn")
    });
    let is_coloured = config.environment.wants_colour && config.environment.is_stderr_terminal;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| crate::say::Log)
        .with_ansi(is_coloured)
        // It would say with `eprintln!` that it cannot write to standard error, and panic.
        .log_internal_errors(false)
        .init();
}

/// `$XDG_DATA_HOME/spur`, else `~/.local/share/spur`, else below the temporary
/// directory (XDG base directory specification).
fn data_dir(home: Option<PathBuf>) -> PathBuf {
    let xdg = var("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = xdg.or_else(|| home.map(|home| home.join(".local/share")));
    base.unwrap_or_else(std::env::temp_dir).join("spur")
}

/// `$XDG_STATE_HOME/spur`, else `~/.local/state/spur`, else below the temporary directory.
fn state_dir(home: Option<PathBuf>) -> PathBuf {
    let xdg = var("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = xdg.or_else(|| home.map(|home| home.join(".local/state")));
    base.unwrap_or_else(std::env::temp_dir).join("spur")
}

/// Whether a locale has UTF-8 as its codeset: `de_DE.UTF-8`, `C.utf8@x`
/// (<https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html>, 8.2, says which variable counts).
fn is_utf8(locale: &OsStr) -> bool {
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    let codeset = locale.split('@').next().and_then(|locale| locale.split_once('.'));
    codeset.is_some_and(|(_, codeset)| matches!(codeset, "utf-8" | "utf8"))
}

/// A variable; an empty one counts as absent.
fn var(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_names_its_codeset() {
        let check = |locale: &str, expected| assert_eq!(is_utf8(locale.as_ref()), expected, "{locale}");
        check("C.UTF-8", true);
        check("de_DE.utf8@euro", true);
        check("C", false);
        check("de_DE.ISO-8859-1", false);
    }
}
