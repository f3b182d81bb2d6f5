//! In which form an object is sent: itself, a `Table`, or its metadata only.
//!
//! Source: `apiserver/pkg/endpoints/handlers/negotiation`.

use http::HeaderMap;
use http::header::ACCEPT;
use spur_api::Status;

/// The form that the client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The object as it is.
    Whole,
    /// Rows for people: `as=Table`.
    Table,
    /// `as=PartialObjectMetadata` or `…List`.
    Metadata,
}

/// The first form in `Accept` that is served.
pub(crate) fn form(headers: &HeaderMap) -> Result<Form, Status> {
    let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let parts: Vec<&str> =
        accept.flat_map(|value| value.split(',')).filter(|part| !part.trim().is_empty()).collect();
    if parts.is_empty() {
        return Ok(Form::Whole);
    }
    parts.into_iter().find_map(one).ok_or_else(|| {
        let why =
            "only the following media types are accepted: application/json, application/json;stream=watch";
        Status::new(406, "NotAcceptable", why)
    })
}

fn one(part: &str) -> Option<Form> {
    let mut fields = part.split(';').map(str::trim);
    let media_type = fields.next()?.to_ascii_lowercase();
    if !matches!(media_type.as_str(), "application/json" | "application/*" | "*/*") {
        return None;
    }
    let (mut form, mut version, mut group) = (None, None, None);
    for field in fields {
        match field.split_once('=') {
            Some(("as", value)) => form = Some(value),
            Some(("v", value)) => version = Some(value),
            Some(("g", value)) => group = Some(value),
            _ => {}
        }
    }
    match form {
        None => Some(Form::Whole),
        Some(_) if version != Some("v1") || group != Some("meta.k8s.io") => None,
        Some("Table") => Some(Form::Table),
        Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Some(Form::Metadata),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accept: &str, expected: Option<Form>) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().expect("a header value"));
        assert_eq!(form(&headers).ok(), expected, "{accept}");
    }

    #[test]
    fn the_first_form_that_is_served_wins() {
        check("application/json", Some(Form::Whole));
        check("application/vnd.kubernetes.protobuf,application/json", Some(Form::Whole));
        check("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Some(Form::Table));
        check("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", Some(Form::Whole));
        check("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Some(Form::Metadata));
        check("application/json;stream=watch", Some(Form::Whole));
        check("*/*", Some(Form::Whole));
        check("application/yaml", None);
    }
}
