//! Where spans are sent, as people type it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;
use http::uri::PathAndQuery;
use spur_net::{Originate, OriginateTerms, Trust};

/// A collector of OTLP over HTTP.
#[derive(Clone, Debug)]
pub struct ExportTarget {
    /// With the path of traces.
    pub(super) uri: Uri,
    pub(super) tls: Option<Arc<Originate>>,
}

/// Why an address is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is no URL of `http` or `https` with a host.
    #[error("`{0}` is no address of OTLP over HTTP\nhint: write it as http://localhost:4318")]
    NoUrl(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

// === impl ExportTarget ===

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
        let uri = Uri::from_parts(parts).map_err(|_| no_url())?;
        let terms = OriginateTerms { trust: Trust::System, names: &[], shown: None };
        let tls =
            is_https.then(|| Originate::new(terms).map_err(|error| TargetError::Tls(error.to_string())));
        Ok(Self { uri, tls: tls.transpose()?.map(Arc::new) })
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
}
