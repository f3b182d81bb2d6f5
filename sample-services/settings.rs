//! A service's settings: environment variables as plain data, so that a test can
//! run a whole shop in one process. Leaves their meaning to whoever asks.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::str::FromStr;

use http::Uri;

/// Environment variables, of the process or of a test's choosing.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    vars: BTreeMap<String, String>,
}

/// A setting that cannot be used, or that is missing where it is needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The variable holds something else than it should.
    #[error("`{name}`: found `{found}`, wanted {wanted}")]
    Invalid {
        /// The variable.
        name: String,
        /// Its value.
        found: String,
        /// What it may hold.
        wanted: String,
    },
    /// A service is to be called, and nothing says where it is.
    #[error("`{variable}` is not set: wanted the address of `{service}`, such as `http://127.0.0.1:41234`")]
    NoAddress {
        /// The service to call.
        service: &'static str,
        /// The variable that should hold its address.
        variable: String,
    },
}

// === impl Settings ===

impl Settings {
    /// The process's environment; variables that are not UTF-8 are left out.
    pub fn from_environment() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// `VERSION`, the version that a service says it is; `v1` unless set.
    pub fn version(&self) -> &str {
        self.get("VERSION").unwrap_or("v1")
    }

    /// A whole number within `range`, or `default` where the variable is not set.
    pub(crate) fn number<T>(
        &self,
        name: &str,
        range: RangeInclusive<T>,
        default: T,
    ) -> Result<T, SettingError>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(found) = self.get(name) else {
            return Ok(default);
        };
        match found.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            Ok(_) | Err(_) => Err(SettingError::Invalid {
                name: name.to_owned(),
                found: found.to_owned(),
                wanted: format!("a number from {} to {}", range.start(), range.end()),
            }),
        }
    }

    /// One of a few words, or the first of them where the variable is not set.
    pub(crate) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<T, SettingError> {
        let found = self.get(name).unwrap_or(choices[0].0);
        let chosen = choices.iter().find(|(word, _)| *word == found);
        chosen.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
            SettingError::Invalid {
                name: name.to_owned(),
                found: found.to_owned(),
                wanted: words.join(" or "),
            }
        })
    }

    /// Where another service is: `<SERVICE>_URL`, and in a pod of a cluster the
    /// Service's name otherwise.
    pub(crate) fn peer(&self, service: &'static str) -> Result<Uri, SettingError> {
        let variable = url_variable(service);
        let url = match (self.get(&variable), self.cluster()) {
            (Some(url), _) => url.to_owned(),
            (None, Some(_)) => format!("http://{service}"),
            (None, None) => return Err(SettingError::NoAddress { service, variable }),
        };
        url.parse::<Uri>()
            .ok()
            .filter(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some())
            .ok_or(SettingError::Invalid {
                name: variable,
                found: url,
                wanted: "an address such as `http://127.0.0.1:41234`".to_owned(),
            })
    }

    /// The API server's address where this pod has one of its own. Kubernetes sets it in every pod
    /// (<https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>), Spur's is a name
    /// of the hosts file; on loopback it is no cluster's.
    pub(crate) fn cluster(&self) -> Option<IpAddr> {
        let api_server = (self.get("KUBERNETES_SERVICE_HOST")?, 0).to_socket_addrs().ok()?.next()?.ip();
        (!api_server.is_loopback()).then_some(api_server)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Settings {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(vars: I) -> Self {
        let vars = vars.into_iter();
        Self { vars: vars.map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

/// `ws-echo` → `WS_ECHO_URL`.
fn url_variable(service: &str) -> String {
    service.to_ascii_uppercase().replace('-', "_") + "_URL"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_peer(vars: &[(&str, &str)], service: &'static str, expected: &str) {
        let settings: Settings = vars.iter().copied().collect();
        let found = match settings.peer(service) {
            Ok(uri) => uri.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{vars:?}");
    }

    #[test]
    fn a_peer_is_found_by_its_url_variable() {
        check_peer(&[("PRICING_URL", "http://127.0.0.1:9")], "pricing", "http://127.0.0.1:9/");
        check_peer(&[("WS_ECHO_URL", "http://[::1]:9")], "ws-echo", "http://[::1]:9/");
    }

    #[test]
    fn a_missing_or_unusable_address_names_its_variable() {
        let missing =
            "`PRICING_URL` is not set: wanted the address of `pricing`, such as `http://127.0.0.1:41234`";
        check_peer(&[], "pricing", missing);
        check_peer(&[("PRICING_URL", "")], "pricing", missing);
        check_peer(
            &[("PRICING_URL", "127.0.0.1:9")],
            "pricing",
            "`PRICING_URL`: found `127.0.0.1:9`, wanted an address such as `http://127.0.0.1:41234`",
        );
    }

    #[test]
    fn in_a_cluster_a_peer_is_found_by_its_service_name() {
        check_peer(&[("KUBERNETES_SERVICE_HOST", "10.96.0.1")], "pricing", "http://pricing/");
        check_peer(
            &[("KUBERNETES_SERVICE_HOST", "10.96.0.1"), ("PRICING_URL", "http://p:1")],
            "pricing",
            "http://p:1/",
        );
        let on_loopback: Settings = [("KUBERNETES_SERVICE_HOST", "127.0.0.1")].into_iter().collect();
        assert!(on_loopback.peer("pricing").is_err());
    }

    #[test]
    fn a_value_out_of_its_range_says_what_was_wanted() {
        let settings: Settings = [("PERCENT", "101"), ("MODE", "maybe")].into_iter().collect();
        assert_eq!(settings.number("ABSENT", 0..=9, 5), Ok(5));
        assert_eq!(settings.number("PERCENT", 0..=200, 5), Ok(101));
        assert_eq!(
            settings.number("PERCENT", 0..=100, 5).unwrap_err().to_string(),
            "`PERCENT`: found `101`, wanted a number from 0 to 100"
        );
        assert_eq!(settings.choice("ABSENT", &[("on", 1), ("off", 2)]), Ok(1));
        assert_eq!(
            settings.choice("MODE", &[("on", 1), ("off", 2)]).unwrap_err().to_string(),
            "`MODE`: found `maybe`, wanted `on` or `off`"
        );
    }
}
