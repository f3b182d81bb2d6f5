//! Where spans are sent, as people type it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use percent_encoding::percent_decode_str;
use spur_net::{Originate, OriginateTerms, Trust};

/// A collector of OTLP over HTTP.
#[derive(Clone, Debug)]
pub struct ExportTarget {
    /// With the path of traces.
    pub(super) uri: Uri,
    pub(super) tls: Option<Arc<Originate>>,
    /// What is sent with each batch; credentials, mostly.
    pub(super) headers: HeaderMap,
}

/// Why an address is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is no URL of `http` or `https` with a host.
    #[error("`{0}` is no address of OTLP over HTTP\nhint: write it as http://localhost:4318")]
    NoUrl(String),
    /// It is no list of headers. What it holds may be secret and is not told.
    #[error("part {0} is no header\nhint: write them as name=value,name=value, with %XX for what is special")]
    NoHeader(usize),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

// === impl ExportTarget ===

impl ExportTarget {
    /// With these headers in each request, written as `OTEL_EXPORTER_OTLP_HEADERS` is: `name=value`,
    /// with commas between them and with values in percent-encoding
    /// (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables>).
    ///
    /// # Errors
    /// When a part has no name or holds what no header may hold.
    pub fn with_headers(mut self, text: &str) -> Result<Self, TargetError> {
        let parts = text.split(',').enumerate().filter(|(_, part)| !part.trim().is_empty());
        for (idx, part) in parts {
            let (name, value) = read_header(part).ok_or(TargetError::NoHeader(idx + 1))?;
            self.headers.insert(name, value);
        }
        Ok(self)
    }
}

fn read_header(part: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = part.split_once('=')?;
    let name = name.trim().parse().ok()?;
    let value: Vec<u8> = percent_decode_str(value.trim()).collect();
    let mut value = HeaderValue::from_bytes(&value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

/// `user:password@` of an address as a client sends it (RFC 7617).
fn basic(authority: &Authority) -> Option<HeaderValue> {
    let (credentials, _) = authority.as_str().rsplit_once('@')?;
    let credentials: Vec<u8> = percent_decode_str(credentials).collect();
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(credentials))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl FromStr for ExportTarget {
    type Err = TargetError;

    /// `/v1/traces` is added, as libraries add it to `OTEL_EXPORTER_OTLP_ENDPOINT`
    /// (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp>).
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let no_url = || TargetError::NoUrl(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| no_url())?;
        let is_https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(no_url()),
        };
        let mut parts = uri.into_parts();
        let base = parts.path_and_query.as_ref().map_or("", |path| path.path()).trim_end_matches('/');
        let path = if base.ends_with("/v1/traces") { base.to_owned() } else { format!("{base}/v1/traces") };
        parts.path_and_query = Some(PathAndQuery::try_from(path).map_err(|_| no_url())?);
        let credentials = parts.authority.as_ref().and_then(basic);
        let headers = credentials.map(|value| (header::AUTHORIZATION, value)).into_iter().collect();
        let uri = Uri::from_parts(parts).map_err(|_| no_url())?;
        let terms = OriginateTerms { trust: Trust::System, names: &[], shown: None };
        let tls =
            is_https.then(|| Originate::new(terms).map_err(|error| TargetError::Tls(error.to_string())));
        Ok(Self { uri, tls: tls.transpose()?.map(Arc::new), headers })
    }
}

/// Without what may be a secret in its path.
impl fmt::Display for ExportTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.uri.host().unwrap_or_default();
        write!(f, "{}://{host}", self.uri.scheme_str().unwrap_or_default())?;
        match self.uri.port_u16() {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_traces_is_added_once() {
        for (text, expected) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
            ("http://[::1]:4318/otlp", "http://[::1]:4318/otlp/v1/traces"),
            ("https://user@example.org/v1/traces", "https://user@example.org/v1/traces"),
        ] {
            assert_eq!(text.parse::<ExportTarget>().unwrap().uri.to_string(), expected);
        }
        for wrong in ["localhost:4318", "grpc://localhost:4317", "/v1/traces", "", "http://"] {
            assert!(wrong.parse::<ExportTarget>().is_err(), "{wrong}");
        }
        let secret: ExportTarget = "https://user:hush@example.org/hush".parse().unwrap();
        assert_eq!(secret.to_string(), "https://example.org");
    }

    fn headers(text: &str) -> Result<Vec<(String, String)>, TargetError> {
        let target: ExportTarget = "http://user:p%40ss@localhost:4318".parse().unwrap();
        let target = target.with_headers(text)?;
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        Ok(target.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect())
    }

    #[test]
    fn credentials_are_those_of_the_address_or_of_the_headers() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        // As `printf user:p@ss | base64` has it.
        assert_eq!(headers("").unwrap(), [pair("authorization", "Basic dXNlcjpwQHNz")]);
        let given = headers("Authorization=Bearer%20a.b%3D%3D, x-team = shop=1 ,").unwrap();
        assert_eq!(given, [pair("authorization", "Bearer a.b=="), pair("x-team", "shop=1")]);
        for (wrong, nth) in [("x", 1), ("a=b,=c", 2), ("a b=c", 1), ("a=%0a", 1)] {
            assert_eq!(headers(wrong), Err(TargetError::NoHeader(nth)), "{wrong}");
        }
    }
}
