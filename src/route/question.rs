//! A request in words, for who asks where it would go without sending it.

use std::collections::BTreeMap;
use std::str::FromStr;

use http::uri::{InvalidUri, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::decide::{Ask, Destination, Source, decide, explain};
use crate::explain::Explanation;
use crate::host::{HostName, normalise};
use crate::host_map::bare_host;
use crate::table::RoutingTable;
use crate::verdict::Verdict;

/// A request that nobody sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    method: Method,
    target: Uri,
    is_tls: bool,
    authority: String,
    headers: HeaderMap,
    from: Option<Caller>,
    lot: u32,
}

/// The workload that would send it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub workload: String,
    /// The labels of its pods.
    pub labels: BTreeMap<String, String>,
    /// The sandbox that it is a fork of.
    pub sandbox: Option<String>,
}

/// What may stand around a header's name and value (RFC 9110, section 5.6.3).
const SPACE: [char; 2] = [' ', '\t'];

/// Words that make no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// The method is none.
    #[error("`{0}` is no HTTP method")]
    Method(String),
    /// The URL has another scheme, or no host.
    #[error("`{0}` is no URL, want `http://HOST[:PORT][/PATH]`")]
    Url(String),
    /// The header has no colon, or what stands around it is none.
    #[error("`{0}` is no header, want `NAME: VALUE`")]
    Header(String),
    /// The caller is not `namespace/workload`.
    #[error("`{0}` is no workload, want `NAMESPACE/NAME`")]
    Caller(String),
    /// The draw is no share.
    #[error("`{0}` is no share, want a number from 0 to 1")]
    Draw(String),
}

// === impl Question ===

impl Question {
    /// A request of `method` for `url`, without headers, from outside.
    ///
    /// # Errors
    /// When the method or the URL is none.
    pub fn new(method: &str, url: &str) -> Result<Self, QuestionError> {
        let bad_url = || QuestionError::Url(url.to_owned());
        let parsed: Uri = url.parse().map_err(|_| bad_url())?;
        let is_tls = match parsed.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad_url()),
        };
        let authority = parsed.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or_else(bad_url)?.to_string();
        let target = target_of(&parsed).map_err(|_| bad_url())?;
        let method = Method::from_str(method).map_err(|_| QuestionError::Method(method.to_owned()))?;
        Ok(Self { method, target, is_tls, authority, headers: HeaderMap::new(), from: None, lot: 0 })
    }

    /// With a header, as `curl -H` takes it.
    ///
    /// # Errors
    /// When it is none.
    pub fn with_header(mut self, text: &str) -> Result<Self, QuestionError> {
        let bad = || QuestionError::Header(text.to_owned());
        let (name, value) = text.split_once(':').ok_or_else(bad)?;
        let name = HeaderName::from_str(name.trim_matches(SPACE)).map_err(|_| bad())?;
        let value = HeaderValue::from_str(value.trim_matches(SPACE)).map_err(|_| bad())?;
        if name == http::header::HOST {
            value.to_str().map_err(|_| bad())?.clone_into(&mut self.authority);
        } else {
            self.headers.append(name, value);
        }
        Ok(self)
    }

    /// Sent by this workload, which then reaches Services by their names.
    #[must_use]
    pub fn sent_by(mut self, caller: Caller) -> Self {
        self.from = Some(caller);
        self
    }

    /// Falling to the weighted destination at this share of all, from 0 to 1.
    ///
    /// # Errors
    /// When the text is no such number.
    pub fn with_draw(mut self, text: &str) -> Result<Self, QuestionError> {
        let share: f64 = text.parse().map_err(|_| QuestionError::Draw(text.to_owned()))?;
        if !(0.0..=1.0).contains(&share) {
            return Err(QuestionError::Draw(text.to_owned()));
        }
        // Rounded down, and at most the largest number there is.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of all numbers")]
        let lot = (share * f64::from(u32::MAX)) as u32;
        self.lot = lot;
        Ok(self)
    }

    /// Where the request would go.
    #[must_use]
    pub fn decide(&self, table: &RoutingTable) -> Verdict {
        self.ask(|ask| decide(table, ask))
    }

    /// Where the request would go, and why.
    #[must_use]
    pub fn explain(&self, table: &RoutingTable) -> Explanation {
        self.ask(|ask| explain(table, ask))
    }

    fn ask<T>(&self, ask: impl FnOnce(&Ask<'_>) -> T) -> T {
        let host = normalise(&self.authority);
        let port = self.target_port();
        let destination = match &self.from {
            // A workload has a listener for each Service, by which its name is known.
            Some(from) => match service(&host, &from.namespace) {
                Some((namespace, service)) => {
                    Destination::Service { namespace, service, port: port.unwrap_or(80) }
                }
                None => Destination::Host(&self.authority),
            },
            None if self.is_tls => Destination::Gateway { port: port.unwrap_or(443), host: &self.authority },
            None => Destination::Host(&self.authority),
        };
        let source = self.from.as_ref().map(|from| Source {
            namespace: &from.namespace,
            workload: &from.workload,
            labels: Some(&from.labels),
            sandbox: from.sandbox.as_deref(),
        });
        ask(&Ask {
            destination,
            source,
            method: &self.method,
            uri: &self.target,
            host: &self.authority,
            headers: &self.headers,
            is_tls: self.is_tls,
            server: None,
            lot: self.lot,
            is_connection: false,
        })
    }

    fn target_port(&self) -> Option<u16> {
        let (_, port) = self.authority.rsplit_once(':')?;
        port.parse().ok()
    }
}

/// The Service that a workload of this namespace means by a host, as DNS searches for it
/// (<https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/>).
fn service<'a>(host: &'a str, namespace: &'a str) -> Option<(&'a str, &'a str)> {
    let name = bare_host(host);
    if !name.contains('.') {
        return Some((namespace, name));
    }
    let named = HostName::parse(name)?;
    (!name.ends_with(".localhost")).then_some((named.namespace, named.label))
}

fn target_of(url: &Uri) -> Result<Uri, InvalidUri> {
    let target = url.path_and_query().map_or("/", PathAndQuery::as_str);
    // A query may follow the host at once (RFC 9110, section 4.2.3: an empty path is `/`).
    if target.starts_with('/') { target.parse() } else { format!("/{target}").parse() }
}

// === impl Caller ===

impl FromStr for Caller {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, QuestionError> {
        match text.split_once('/') {
            Some((namespace, workload)) if !namespace.is_empty() && !workload.is_empty() => {
                let (namespace, workload) = (namespace.to_owned(), workload.to_owned());
                Ok(Self { namespace, workload, ..Self::default() })
            }
            _ => Err(QuestionError::Caller(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_request_is_told() {
        let error = |method: &str, url: &str| Question::new(method, url).unwrap_err().to_string();
        assert_eq!(error("G ET", "http://a"), "`G ET` is no HTTP method");
        for url in ["a", "/x", "ftp://a/", "http://u@a/", "http://"] {
            assert_eq!(error("GET", url), format!("`{url}` is no URL, want `http://HOST[:PORT][/PATH]`"));
        }
        let question = || Question::new("GET", "http://a?q=1").unwrap();
        assert_eq!(question().target, "/?q=1");
        for header in ["a", "a b: c", "a: \n"] {
            assert!(question().with_header(header).is_err(), "{header}");
        }
        for draw in ["", "x", "1.1", "-0.1", "NaN"] {
            assert!(question().with_draw(draw).is_err(), "{draw}");
        }
        assert!("shop".parse::<Caller>().is_err() && "/a".parse::<Caller>().is_err());
    }

    #[test]
    fn a_host_header_is_the_host() {
        let question = Question::new("GET", "http://127.0.0.1:8080/").unwrap();
        assert_eq!(question.with_header("Host: shop.example.com").unwrap().authority, "shop.example.com");
    }

    #[test]
    fn a_workload_means_services_of_its_own_namespace() {
        for (host, expected) in [
            ("cart", Some(("shop", "cart"))),
            ("cart.other", Some(("other", "cart"))),
            ("cart.other.svc.cluster.local:80", Some(("other", "cart"))),
            ("cart.other.localhost", None),
            ("api.example.com", None),
        ] {
            assert_eq!(service(host, "shop"), expected, "{host}");
        }
    }
}
