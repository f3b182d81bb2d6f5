//! The API as the commands use it: ordered JSON values by path.
//!
//! A thin layer over `kube::Client`, whose typed calls would drop the fields
//! they do not know and the order of the rest. Which server it is, is left to
//! `connect`.

use std::io;

use futures::TryStreamExt;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use serde_json::Value;

use spur_tui::Lines;

/// Largest answer that is read whole: a page of 500 objects of 1 MiB would be
/// 500 MiB and no terminal's business; lists come in pages.
const ANSWER_MAX_BYTES: usize = 256 << 20;

/// `application/json` alone.
pub(crate) const JSON: &str = "application/json";

/// A server and the namespace that is meant where none is named.
#[derive(Clone)]
pub(crate) struct Client {
    kube: kube::Client,
    url: String,
    namespace: String,
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Whether something was made (201).
    pub(crate) is_created: bool,
    /// The body.
    pub(crate) value: Value,
    /// What the server warns of.
    pub(crate) warnings: Vec<String>,
}

/// A request that did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("no spur answers at {url}: connection refused")]
    Refused { url: String },
    #[error("no spur answers at {url}: {cause}")]
    Unreachable { url: String, cause: String },
    #[error("{0}")]
    Status(Status),
    #[error("the answer of {url} broke off or is no JSON: {cause}")]
    Broken { url: String, cause: String },
}

/// The server's `Status`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Status {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) message: String,
}

// === impl Client ===

impl Client {
    pub(crate) fn new(kube: kube::Client, url: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self { kube, url: url.into(), namespace: namespace.into() }
    }

    /// The server's address without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The client below, for who makes requests of their own.
    pub(crate) fn kube(&self) -> &kube::Client {
        &self.kube
    }

    /// The namespace that is meant where none is named.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// GET, as JSON.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.get_as(path, JSON).await
    }

    /// GET in a form, such as a `Table`.
    pub(crate) async fn get_as(&self, path: &str, accept: &str) -> Result<Value, ApiError> {
        let request = Request::get(path).header(ACCEPT, accept);
        let request = request.body(Body::empty()).expect("paths are percent-encoded");
        Ok(self.whole(request).await?.value)
    }

    /// A request with a JSON body.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        media_type: &str,
        body: &Value,
    ) -> Result<Answer, ApiError> {
        let bytes = serde_json::to_vec(body).expect("a JSON value can always be written");
        let request = Request::builder().method(method).uri(path).header(ACCEPT, JSON);
        let request = request.header(CONTENT_TYPE, media_type).body(Body::from(bytes));
        self.whole(request.expect("paths are percent-encoded")).await
    }

    /// GET, as lines that come over time.
    pub(crate) async fn lines(&self, path: &str, accept: &str) -> Result<Lines, ApiError> {
        let request = Request::get(path).header(ACCEPT, accept);
        let request = request.body(Body::empty()).expect("paths are percent-encoded");
        let response = self.response(request).await?;
        let body = response.into_body().into_data_stream().map_err(io::Error::other);
        Ok(Lines::new(body.into_async_read()))
    }

    async fn whole(&self, request: Request<Body>) -> Result<Answer, ApiError> {
        let response = self.response(request).await?;
        let is_created = response.status() == http::StatusCode::CREATED;
        let warnings = response.headers().get_all(http::header::WARNING);
        let warnings =
            warnings.iter().filter_map(|value| value.to_str().ok()).map(warning_text).collect::<Vec<_>>();
        let bytes = self.collect(response).await?;
        let value = serde_json::from_slice(&bytes).map_err(|error| self.broken(&error))?;
        Ok(Answer { is_created, value, warnings })
    }

    /// A response that says it succeeded.
    async fn response(&self, request: Request<Body>) -> Result<Response<Body>, ApiError> {
        let response = self.kube.send(request).await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let code = response.status().as_u16();
        let bytes = self.collect(response).await?;
        Err(ApiError::Status(Status::read(code, &bytes)))
    }

    async fn collect(&self, response: Response<Body>) -> Result<Vec<u8>, ApiError> {
        let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await;
        Ok(body.map_err(|error| self.broken(&*error))?.to_bytes().to_vec())
    }

    fn broken(&self, error: &(dyn std::error::Error + 'static)) -> ApiError {
        ApiError::Broken { url: self.url.clone(), cause: root_cause(error) }
    }

    fn unreachable(&self, error: &kube::Error) -> ApiError {
        let url = self.url.clone();
        match io_kind(error) {
            Some(io::ErrorKind::ConnectionRefused) => ApiError::Refused { url },
            _ => ApiError::Unreachable { url, cause: root_cause(error) },
        }
    }
}

// === impl ApiError ===

impl ApiError {
    /// Whether the object, or its kind, is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Status(status) if status.code == 404)
    }

    /// What the user may do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused { .. } => "start one with `spur up`",
            Self::Unreachable { cause, .. } if is_about_time(cause) => {
                return Some(format!(
                    "the clock of this machine says {}: set it right, or start the server anew, whose certificate is made at each start and lasts a year",
                    jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC")
                ));
            }
            Self::Unreachable { cause, .. } if cause.contains("certificate") => {
                "use the kubeconfig of that server: `spur kubeconfig --path` names the one of `spur up`"
            }
            Self::Unreachable { .. } => "check the address: --server, --kubeconfig or KUBECONFIG",
            Self::Broken { .. } => return None,
            Self::Status(status) => match status.reason.as_str() {
                "AlreadyExists" => "choose another name, or change the object with `spur apply -f FILE`",
                "Conflict" if status.message.contains("field manager") || status.code == 409 => {
                    "somebody else changed it: look at it again, or take its fields over with --force-conflicts"
                }
                "Unauthorized" => {
                    "the kubeconfig's credentials are not of this server: use the one that its `spur up` has written"
                }
                "Expired" => "the change is too long ago: run the command again",
                _ => return None,
            },
        };
        Some(hint.to_owned())
    }
}

// === impl Status ===

impl Status {
    /// Reads the body of a failure; one that is no `Status` speaks for itself.
    pub(crate) fn read(code: u16, body: &[u8]) -> Self {
        let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
        match serde_json::from_slice::<Value>(body) {
            Ok(value) if value["kind"] == "Status" => {
                Self { code, reason: text(&value, "reason"), message: text(&value, "message") }
            }
            _ => {
                let body = String::from_utf8_lossy(body);
                let message = match body.trim() {
                    "" => format!("the server answered {code}"),
                    body => format!("the server answered {code}: {body}"),
                };
                Self { code, reason: String::new(), message }
            }
        }
    }
}

/// The words of `299 - "text"` (RFC 7234, section 5.5).
fn warning_text(value: &str) -> String {
    let text = value.splitn(3, ' ').nth(2).unwrap_or(value);
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    inner.replace("\\\"", "\"").replace("\\\\", "\\")
}

/// Whether a certificate is refused for its time (rustls' words for `CertificateError::Expired…`
/// and `NotValidYet…`): the clock may be wrong as well as the certificate.
fn is_about_time(cause: &str) -> bool {
    cause.contains("certificate expired") || cause.contains("certificate not valid yet")
}

fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        next = error.source();
    }
    None
}

fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_is_no_status_is_shown_as_it_came() {
        let found = Status::read(502, b"bad gateway\n");
        assert_eq!(found.message, "the server answered 502: bad gateway");
        let found = Status::read(404, br#"{"kind":"Status","reason":"NotFound","message":"gone"}"#);
        assert_eq!((found.reason.as_str(), found.message.as_str()), ("NotFound", "gone"));
    }

    /// ST-11: a certificate that is out of its time says what the clock says.
    #[test]
    fn st_11_a_certificate_out_of_its_time_is_told_with_the_clock() {
        let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        for cause in [
            "invalid peer certificate: certificate expired: verification time 1 (UNIX), but …",
            "invalid peer certificate: certificate not valid yet: verification time 1 (UNIX), but …",
        ] {
            let error = ApiError::Unreachable { url: "https://x".to_owned(), cause: cause.to_owned() };
            let hint = error.hint().unwrap();
            // Midnight may pass in between.
            let tomorrow = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
            assert!(hint.contains(&today) || hint.contains(&tomorrow), "{hint}");
            assert!(hint.starts_with("the clock of this machine says"), "{hint}");
        }
        let other = "invalid peer certificate: UnknownIssuer".to_owned();
        let error = ApiError::Unreachable { url: "https://x".to_owned(), cause: other };
        assert!(error.hint().unwrap().contains("kubeconfig"));
    }

    #[test]
    fn a_warning_loses_its_frame() {
        assert_eq!(warning_text("299 - \"unknown field \\\"a\\\"\""), "unknown field \"a\"");
    }
}
