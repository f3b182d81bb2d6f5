//! The environment a process starts with. Spur's own is not passed on: what a
//! service sees should be what its pod says, on every machine, and tokens in the
//! developer's shell stay out of it.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The variables that are passed on where Spur has them, besides those that begin with `LC_`.
///
/// They say where things are on this machine, which a pod that is meant for every machine
/// cannot know: programs, the home directory with tools' caches, the language, the
/// directory for temporary files, the terminal's kind (programs print to a pipe, but some
/// refuse to start without `TERM`), the time zone, and the certificates to trust.
pub const INHERITED: [&str; 13] = [
    "HOME",
    "LANG",
    "LOGNAME",
    "NIX_SSL_CERT_FILE",
    "PATH",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "TZ",
    "TZDIR",
    "USER",
];

/// Chooses from an environment, usually that of Spur itself, what processes inherit.
/// Variables that are not valid UTF-8 are left out.
pub fn inherited(vars: impl IntoIterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    vars.into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| INHERITED.contains(&name.as_str()) || name.starts_with("LC_"))
        .collect()
}

/// The base with the container's own variables over it.
pub(crate) fn merged(base: &BTreeMap<String, String>, own: &[(String, String)]) -> BTreeMap<String, String> {
    let mut env = base.clone();
    env.extend(own.iter().cloned());
    env
}

/// Programs on a terminal ask for its kind; where nobody has said it, it is what container
/// runtimes say (containerd's `oci.WithTTY`).
pub(crate) fn name_terminal(env: &mut BTreeMap<String, String>) {
    env.entry("TERM".into()).or_insert_with(|| "xterm".into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_where_things_are_is_inherited() {
        let vars = [
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("PWD", "/"),
            ("LD_PRELOAD", "x.so"),
        ];
        let got = inherited(vars.map(|(n, v)| (n.into(), v.into())));
        let wanted = [("LC_ALL", "C"), ("PATH", "/bin")].map(|(n, v)| (n.into(), v.into()));
        assert_eq!(got, BTreeMap::from(wanted));
    }

    #[test]
    fn the_containers_own_variables_win_and_the_last_of_them() {
        let base = BTreeMap::from([("A".to_owned(), "base".to_owned())]);
        let own = [("A", "1"), ("B", "2"), ("A", "3")].map(|(n, v)| (n.into(), v.into()));
        let wanted = [("A", "3"), ("B", "2")].map(|(n, v)| (n.into(), v.into()));
        assert_eq!(merged(&base, &own), BTreeMap::from(wanted));
    }
}
