//! In which form an object is sent: itself, a `Table`, or its metadata only.
//!
//! Source: `apiserver/pkg/endpoints/handlers/negotiation`.

use http::HeaderMap;
use http::header::{ACCEPT, USER_AGENT};
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

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Json,
    /// For people: two spaces a level.
    IndentedJson,
    Yaml,
}

/// Programs of people, which get indented JSON unless they say otherwise (`negotiate.go`,
/// `isPrettyPrint`).
const FOR_PEOPLE: [&str; 3] = ["curl", "Wget", "Mozilla/5.0"];

/// The form of the first of `Accept` that is served.
pub(crate) fn form(headers: &HeaderMap) -> Result<Form, Status> {
    let (form, _) = accepted(headers, |_| true)
        .ok_or_else(|| not_acceptable("application/json, application/yaml, application/json;stream=watch"))?;
    Ok(form)
}

/// The same of what is made in JSON alone: OpenAPI documents, and what comes event by event
/// (upstream's YAML has no `StreamSerializer`).
pub(crate) fn form_in_json(headers: &HeaderMap) -> Result<Form, Status> {
    let (form, _) = accepted(headers, |written| written == Written::Json)
        .ok_or_else(|| not_acceptable("application/json, application/json;stream=watch"))?;
    Ok(form)
}

/// How to write what [`form`] gives.
pub(crate) fn written(headers: &HeaderMap, query: &str) -> Written {
    match accepted(headers, |_| true) {
        Some((_, Written::Yaml)) => Written::Yaml,
        _ if is_indented(headers, query) => Written::IndentedJson,
        _ => Written::Json,
    }
}

fn is_indented(headers: &HeaderMap, query: &str) -> bool {
    let mut said = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "pretty");
    if let Some((_, said)) = said.next() {
        return matches!(&*said, "1" | "t" | "T" | "true" | "True" | "TRUE");
    }
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    FOR_PEOPLE.iter().any(|program| agent.starts_with(program))
}

fn accepted(headers: &HeaderMap, serves: impl Fn(Written) -> bool) -> Option<(Form, Written)> {
    let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut parts =
        accept.flat_map(|value| value.split(',')).filter(|part| !part.trim().is_empty()).peekable();
    if parts.peek().is_none() {
        return Some((Form::Whole, Written::Json));
    }
    parts.find_map(|part| one(part).filter(|(_, written)| serves(*written)))
}

fn not_acceptable(served: &str) -> Status {
    Status::new(406, "NotAcceptable", format!("only the following media types are accepted: {served}"))
}

fn one(part: &str) -> Option<(Form, Written)> {
    let mut fields = part.split(';').map(str::trim);
    let written = match fields.next()?.to_ascii_lowercase().as_str() {
        "application/json" | "application/*" | "*/*" => Written::Json,
        "application/yaml" => Written::Yaml,
        _ => return None,
    };
    let (mut form, mut version, mut group) = (None, None, None);
    for field in fields {
        match field.split_once('=') {
            Some(("as", value)) => form = Some(value),
            Some(("v", value)) => version = Some(value),
            Some(("g", value)) => group = Some(value),
            _ => {}
        }
    }
    let form = match form {
        None => Form::Whole,
        Some(_) if version != Some("v1") || group != Some("meta.k8s.io") => return None,
        Some("Table") => Form::Table,
        Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Form::Metadata,
        Some(_) => return None,
    };
    Some((form, written))
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
        check("application/yaml", Some(Form::Whole));
        check("application/cbor", None);
    }

    #[test]
    fn a_stream_is_not_written_in_yaml() {
        let headers =
            |accept: &str| HeaderMap::from_iter([(ACCEPT, accept.parse().expect("a header value"))]);
        assert_eq!(form_in_json(&headers("application/yaml")).unwrap_err().code, 406);
        assert_eq!(form_in_json(&headers("application/yaml, */*")).ok(), Some(Form::Whole));
        assert_eq!(written(&headers("application/yaml, */*"), ""), Written::Yaml);
        assert_eq!(written(&headers("*/*, application/yaml"), ""), Written::Json);
    }

    #[test]
    fn people_get_indented_json() {
        let check = |agent: &str, query: &str, expected: Written| {
            let headers = HeaderMap::from_iter([(USER_AGENT, agent.parse().expect("a header value"))]);
            assert_eq!(written(&headers, query), expected, "{agent} {query}");
        };
        check("curl/8.5.0", "", Written::IndentedJson);
        check("curl/8.5.0", "limit=1&pretty=false", Written::Json);
        check("kubectl/v1.33.0", "", Written::Json);
        check("kubectl/v1.33.0", "pretty=true", Written::IndentedJson);
    }
}
