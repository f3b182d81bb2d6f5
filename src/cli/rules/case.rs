//! One case: a request, and what is expected of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use spur_api::yaml;
use spur_compile::files::File;
use spur_route::{Explanation, Outcome};

use crate::explain::Request;

/// A case, read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Case {
    pub(super) name: String,
    /// `cases.yaml:3:3`.
    pub(super) place: String,
    pub(super) request: Request,
    expect: Expect,
}

/// A case as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<String>,
    request: WrittenRequest,
    #[serde(default)]
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRequest {
    method: Option<String>,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    from: Option<String>,
    draw: Option<f64>,
}

/// What is expected; what is absent may be anything.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// `shop/reviews` or `shop/reviews:80`.
    service: Option<String>,
    subset: Option<String>,
    /// `baseline`, or `sandbox shop/pr-1`.
    version: Option<String>,
    reason: Option<String>,
    /// A part of the rule's words: `http[1]`, `shop/reviews`.
    rule: Option<String>,
    /// Of an answer that comes from no upstream.
    status: Option<u16>,
    location: Option<String>,
    /// The pods that may take it, in any order.
    pods: Option<Vec<String>>,
}

/// The cases in a file: a list, in one document or several.
///
/// # Errors
/// What is wrong, with its place.
pub(super) fn parse(file: &File) -> Result<Vec<Case>, String> {
    let broken = |error: yaml::YamlError| format!("{}: {error}", file.path);
    let documents = yaml::documents(&file.text).map_err(broken)?;
    let places = yaml::places(&file.text).map_err(broken)?;
    let mut cases = Vec::new();
    for (document, places) in documents.into_iter().zip(&places) {
        let Value::Array(items) = document else {
            return Err(format!("{}:{}: found no list of cases", file.path, places.start()));
        };
        for (index, item) in items.into_iter().enumerate() {
            let place = format!("{}:{}", file.path, places.field(&format!("[{index}]")));
            let written: Written =
                serde_json::from_value(item).map_err(|error| format!("{place}: {error}"))?;
            cases.push(Case::of(written, place));
        }
    }
    if cases.is_empty() {
        return Err(format!("{}: found no case", file.path));
    }
    Ok(cases)
}

// === impl Case ===

impl Case {
    fn of(written: Written, place: String) -> Self {
        let Written { name, request, expect } = written;
        let WrittenRequest { method, url, headers, from, draw } = request;
        let unnamed = || format!("{} {url}", method.as_deref().unwrap_or("GET"));
        let name = name.unwrap_or_else(unnamed);
        let headers = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let draw = draw.map(|draw| draw.to_string());
        Self { name, place, request: Request { method, url, headers, from, draw }, expect }
    }

    /// What is otherwise than expected.
    pub(super) fn differences(&self, explanation: &Explanation) -> Vec<String> {
        let verdict = &explanation.verdict;
        let Expect { service, subset, version, reason, rule, status, location, pods } = &self.expect;
        let mut differences = Vec::new();
        let mut check = |what: &str, wanted: &Option<String>, found: String, is_met: bool| {
            if let Some(wanted) = wanted.as_ref().filter(|_| !is_met) {
                differences.push(format!("{what} is `{found}`, expected `{wanted}`"));
            }
        };
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref() == Some(found);
        let found = verdict.service.as_deref().map_or_else(|| "none".to_owned(), ToString::to_string);
        let without_port = found.rsplit_once(':').map_or(&*found, |(name, _)| name).to_owned();
        let is_met = is(service, &found) || is(service, &without_port);
        check("service", service, found, is_met);
        let found = verdict.subset.as_deref().unwrap_or("none").to_owned();
        check("subset", subset, found.clone(), is(subset, &found));
        let found = verdict.version.to_string();
        check("version", version, found.clone(), is(version, &found));
        let found = verdict.reason.to_string();
        check("reason", reason, found.clone(), is(reason, &found));
        let found = verdict.rule.as_deref().map_or_else(|| "none".to_owned(), ToString::to_string);
        let is_met = rule.as_deref().is_some_and(|rule| found.contains(rule));
        check("rule", rule, found, is_met);
        let (found_status, found_location) = match &verdict.outcome {
            Outcome::Forward { .. } => ("that of an upstream".to_owned(), None),
            Outcome::Respond { status, location } => (status.to_string(), location.clone()),
            Outcome::Refuse { status, asked: _ } => (status.to_string(), None),
        };
        let status = status.map(|status| status.to_string());
        check("status", &status, found_status.clone(), is(&status, &found_status));
        let found = found_location.as_deref().unwrap_or("none").to_owned();
        check("location", location, found.clone(), is(location, &found));
        let mut found: Vec<&str> = verdict.backends().iter().map(|backend| &*backend.pod).collect();
        found.sort_unstable();
        let wanted = pods.as_ref().map(|pods| {
            let mut pods: Vec<&str> = pods.iter().map(String::as_str).collect();
            pods.sort_unstable();
            pods.join(", ")
        });
        let found = found.join(", ");
        check("pods", &wanted, found.clone(), is(&wanted, &found));
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Case>, String> {
        parse(&File { path: "cases.yaml".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn what_is_no_case_is_told_with_its_place() {
        let error = |text: &str| parsed(text).unwrap_err();
        assert_eq!(error("a: 1\n"), "cases.yaml:1:1: found no list of cases");
        assert_eq!(error(""), "cases.yaml: found no case");
        assert_eq!(error("- request: {}\n"), "cases.yaml:1:3: missing field `url`");
        let text = "- request: {url: 'http://a/'}\n- request: {url: 'http://a/'}\n  expect: {pod: a}\n";
        assert!(error(text).starts_with("cases.yaml:2:3: unknown field `pod`, expected one of `service`"));
    }

    #[test]
    fn a_case_has_a_name_and_a_request() {
        let case = parsed("- request: {url: 'http://a/', headers: {x: '1'}, draw: 0.5}\n").unwrap().remove(0);
        assert_eq!(case.name, "GET http://a/");
        assert_eq!(case.request.headers, ["x: 1"]);
        assert_eq!(case.request.draw.as_deref(), Some("0.5"));
    }
}
