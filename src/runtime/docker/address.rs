//! How an engine is reached: `DOCKER_HOST`, and what TLS wants beside it.
//!
//! Source: <https://docs.docker.com/reference/cli/docker/#environment-variables>; ports where none is
//! given are those of `dockerd` (<https://docs.docker.com/reference/cli/dockerd/#daemon-socket-option>).

use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where an engine is looked for when nobody says otherwise: where the Docker CLI looks, too, unless
/// a context of its own names another.
const USUAL_HOST: &str = "unix:///var/run/docker.sock";
/// Without TLS.
const PLAIN_PORT: u16 = 2375;
/// With TLS.
const TLS_PORT: u16 = 2376;

/// Where an engine is, and how it is spoken with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineAddress {
    /// As `DOCKER_HOST` has it; the usual one where it is not said.
    pub host: Option<String>,
    /// The folder of `ca.pem`, `cert.pem` and `key.pem`, where connections by network want TLS.
    pub certificates: Option<PathBuf>,
}

/// The same, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A socket in the file system.
    Unix { path: String },
    /// A port.
    Tcp { host: String, port: u16, certificates: Option<PathBuf> },
}

// === impl EngineAddress ===

impl EngineAddress {
    /// As people know it.
    pub(super) fn shown(&self) -> String {
        self.host.clone().filter(|host| !host.is_empty()).unwrap_or_else(|| USUAL_HOST.to_owned())
    }

    /// # Errors
    /// What is wrong with it.
    pub(super) fn way(&self) -> Result<Way, String> {
        let shown = self.shown();
        let Some((scheme, rest)) = shown.split_once("://") else {
            return Err("want `unix://` and a path, or `tcp://` and an address".to_owned());
        };
        match scheme {
            "unix" => Ok(Way::Unix { path: rest.to_owned() }),
            "tcp" => self.port(rest.trim_end_matches('/')),
            _ => Err(format!("`{scheme}://` is not supported; only `unix://` and `tcp://` are")),
        }
    }

    fn port(&self, rest: &str) -> Result<Way, String> {
        let wrong = || format!("`{rest}` is no address such as `127.0.0.1:{PLAIN_PORT}`");
        // A colon in brackets, or one of several, belongs to an IPv6 address.
        let (host, port) = match rest
            .rsplit_once(':')
            .filter(|(host, _)| !host.contains(':') || host.starts_with('[') && host.ends_with(']'))
        {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
            None => (rest, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_host = !host.is_empty()
            && (host.parse::<IpAddr>().is_ok()
                || host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')));
        if !is_host || port == Some(0) {
            return Err(wrong());
        }
        let usual = if self.certificates.is_some() { TLS_PORT } else { PLAIN_PORT };
        let certificates = self.certificates.clone();
        Ok(Way::Tcp { host: host.to_owned(), port: port.unwrap_or(usual), certificates })
    }
}

impl<T: AsRef<str> + ?Sized> From<Option<&T>> for EngineAddress {
    /// Without TLS.
    fn from(host: Option<&T>) -> Self {
        Self { host: host.map(|host| host.as_ref().to_owned()), certificates: None }
    }
}

// === impl Way ===

impl Way {
    /// Whether others can read along, and act as we do.
    pub(super) fn is_open_to_others(&self) -> bool {
        match self {
            Self::Unix { .. } | Self::Tcp { certificates: Some(_), .. } => false,
            Self::Tcp { host, certificates: None, .. } => {
                host != "localhost" && !host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

/// The texts of a folder of certificates: authority, certificate, key.
///
/// # Errors
/// Which file cannot be read, and why.
pub(super) fn read(certificates: &Path) -> Result<[String; 3], String> {
    let read = |name: &str| {
        let path = certificates.join(name);
        std::fs::read_to_string(&path).map_err(|error| format!("`{}`: {error}", path.display()))
    };
    Ok([read("ca.pem")?, read("cert.pem")?, read("key.pem")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(host: &str, certificates: Option<&str>) -> Result<Way, String> {
        EngineAddress { host: Some(host.to_owned()), certificates: certificates.map(PathBuf::from) }.way()
    }

    #[test]
    fn addresses_are_understood_as_docker_does() {
        let tcp = |host: &str, port| Way::Tcp { host: host.to_owned(), port, certificates: None };
        for (text, wanted) in [
            ("unix:///run/d.sock", Way::Unix { path: "/run/d.sock".to_owned() }),
            ("", Way::Unix { path: "/var/run/docker.sock".to_owned() }),
            ("tcp://127.0.0.1:4000", tcp("127.0.0.1", 4000)),
            ("tcp://localhost", tcp("localhost", 2375)),
            ("tcp://[::1]:4000/", tcp("::1", 4000)),
            ("tcp://[::1]", tcp("::1", 2375)),
        ] {
            assert_eq!(way(text, None), Ok(wanted), "{text}");
        }
        let Ok(Way::Tcp { port, .. }) = way("tcp://build.local", Some("/c")) else { panic!("it is a port") };
        assert_eq!(port, 2376);
        for text in [
            "/run/d.sock",
            "ssh://host",
            "http://x",
            "tcp://",
            "tcp://:1",
            "tcp://x:0",
            "tcp://x:y",
            "tcp://a/b",
        ] {
            assert!(way(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn plain_ports_of_other_machines_are_open_to_others() {
        for (host, certificates, wanted) in [
            ("tcp://127.0.0.1", None, false),
            ("tcp://[::1]:1", None, false),
            ("tcp://192.0.2.1", None, true),
            ("tcp://build.local", None, true),
            ("tcp://192.0.2.1", Some("/c"), false),
            ("unix:///x", None, false),
        ] {
            assert_eq!(way(host, certificates).unwrap().is_open_to_others(), wanted, "{host}");
        }
    }
}
