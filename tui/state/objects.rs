//! Objects of one kind, as the API tells of them, and the rows that screens make of them.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;
use spur_api::meta;
use spur_trace::Filter;

use super::cursor::Rows;
use super::fields::ObjectFields;

/// Most objects that are kept; Events are the only ones of which there are
/// many, and nobody scrolls further. The oldest go.
const OBJECTS_MAX: usize = 2_000;

/// Objects in the order in which they came, by uid.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    kept: VecDeque<Value>,
    filter: Arc<Filter>,
    /// The places of those that the filter wants.
    shown: Vec<usize>,
    /// Whether the API has told of any, or that there are none.
    pub(crate) is_known: bool,
}

// === impl Objects ===

impl Objects {
    /// Takes the place of everything.
    pub(crate) fn set(&mut self, mut objects: Vec<Value>) {
        objects.sort_by(|one, other| time(one).cmp(time(other)));
        let n_old = objects.len().saturating_sub(OBJECTS_MAX);
        self.kept = objects.into_iter().skip(n_old).collect();
        self.is_known = true;
        self.choose();
    }

    pub(crate) fn put(&mut self, object: Value) {
        let uid = meta::uid(&object);
        match self.kept.iter().position(|kept| meta::uid(kept) == uid) {
            // What is told again is news: an Event that is counted once more goes to the end.
            Some(idx) if time(&self.kept[idx]) != time(&object) => {
                self.kept.remove(idx);
                self.kept.push_back(object);
            }
            Some(idx) => self.kept[idx] = object,
            None => self.kept.push_back(object),
        }
        if self.kept.len() > OBJECTS_MAX {
            self.kept.pop_front();
        }
        self.choose();
    }

    pub(crate) fn remove(&mut self, object: &Value) {
        let uid = meta::uid(object);
        self.kept.retain(|kept| meta::uid(kept) != uid);
        self.choose();
    }

    pub(crate) fn set_filter(&mut self, filter: Arc<Filter>) {
        self.filter = filter;
        self.choose();
    }

    /// The object in a row.
    pub(crate) fn row(&self, idx: usize) -> Option<&Value> {
        self.kept.get(*self.shown.get(idx)?)
    }

    pub(crate) fn n_kept(&self) -> usize {
        self.kept.len()
    }

    /// All of them, whatever the filter wants.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Value> {
        self.kept.iter()
    }

    fn choose(&mut self) {
        let wanted = self.kept.iter().enumerate().filter(|(_, object)| {
            self.filter.expr().is_none() || self.filter.matches(&ObjectFields::of(object))
        });
        self.shown = wanted.map(|(idx, _)| idx).collect();
    }
}

impl Rows for Objects {
    type Id = String;

    fn n_rows(&self) -> usize {
        self.shown.len()
    }

    fn id_at(&self, idx: usize) -> Option<String> {
        self.row(idx).map(|object| meta::uid(object).to_owned())
    }

    fn idx_of(&self, id: &String) -> Option<usize> {
        self.shown.iter().position(|idx| meta::uid(&self.kept[*idx]) == id)
    }
}

/// When something last happened to it: Events say so, everything else was made once.
pub(crate) fn time(object: &Value) -> &str {
    let times = ["/lastTimestamp", "/series/lastObservedTime", "/eventTime", "/metadata/creationTimestamp"];
    times.into_iter().map(|pointer| meta::text(object, pointer)).find(|time| !time.is_empty()).unwrap_or("")
}

/// A sandbox as a row has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SandboxRow<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) state: SandboxState<'a>,
    /// The names of what it forks.
    pub(crate) forks: Vec<&'a str>,
    pub(crate) key: &'a str,
    pub(crate) made: &'a str,
}

/// How it is, from its conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SandboxState<'a> {
    Ready,
    Deleting,
    /// Not ready, with the reason and the sentence.
    NotReady(&'a str, &'a str),
    /// Nobody has said anything yet.
    New,
}

pub(crate) fn sandbox(object: &Value) -> SandboxRow<'_> {
    let ready = meta::list(object, "/status/conditions")
        .iter()
        .find(|condition| meta::text(condition, "/type") == "Ready");
    let state = match ready {
        _ if meta::is_deleting(object) => SandboxState::Deleting,
        Some(ready) if meta::text(ready, "/status") == "True" => SandboxState::Ready,
        Some(ready) => SandboxState::NotReady(meta::text(ready, "/reason"), meta::text(ready, "/message")),
        None => SandboxState::New,
    };
    SandboxRow {
        namespace: meta::namespace(object),
        name: meta::name(object),
        state,
        forks: meta::list(object, "/spec/forks").iter().map(|fork| meta::text(fork, "/of/name")).collect(),
        key: meta::text(object, "/status/routingKey"),
        made: meta::text(object, "/metadata/creationTimestamp"),
    }
}

/// A command that reaches the sandbox, where it has a key: by the first
/// Service that it forks, at the entry.
pub(crate) fn curl(object: &Value, entry_port: Option<u16>) -> Option<String> {
    let SandboxRow { namespace, key, .. } = sandbox(object);
    if key.is_empty() {
        return None;
    }
    let mut services =
        meta::list(object, "/status/forks").iter().flat_map(|fork| meta::list(fork, "/services"));
    let host = match services.next().and_then(Value::as_str) {
        Some(service) => format!("{service}.{namespace}.localhost"),
        None => "localhost".to_owned(),
    };
    let url = format!("http://{host}:{}/", entry_port.unwrap_or(ENTRY_PORT_USUAL));
    Some(format!("curl -H {} {}", quoted(&format!("spur-key: {key}")), quoted(&url)))
}

/// Where `spur up` has its entry unless told otherwise.
const ENTRY_PORT_USUAL: u16 = 8080;

/// As one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The containers of a pod; the first is the one whose log is meant.
pub(crate) fn containers(pod: &Value) -> Vec<&str> {
    meta::list(pod, "/spec/containers").iter().map(|container| meta::text(container, "/name")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sandbox_object(status: Value) -> Value {
        json!({
            "metadata": {"namespace": "shop", "name": "pr-421", "uid": "u1",
                "creationTimestamp": "2026-11-20T12:00:00Z"},
            "spec": {"forks": [{"of": {"kind": "Deployment", "name": "payments"}}]},
            "status": status,
        })
    }

    #[test]
    fn the_state_of_a_sandbox_is_its_condition() {
        let check = |status, expected| assert_eq!(sandbox(&sandbox_object(status)).state, expected);
        check(json!({}), SandboxState::New);
        check(json!({"conditions": [{"type": "Ready", "status": "True"}]}), SandboxState::Ready);
        let stuck = json!({"type": "Ready", "status": "False", "reason": "KeyTaken", "message": "by x"});
        check(json!({"conditions": [stuck]}), SandboxState::NotReady("KeyTaken", "by x"));
    }

    #[test]
    fn a_curl_is_ready_for_a_shell() {
        let forks = json!([{"services": ["payments"]}]);
        let object = sandbox_object(json!({"routingKey": "it's", "forks": forks}));
        let expected = r"curl -H 'spur-key: it'\''s' http://payments.shop.localhost:18080/";
        assert_eq!(curl(&object, Some(18080)).as_deref(), Some(expected));
        assert_eq!(curl(&sandbox_object(json!({})), None), None);
    }

    #[test]
    fn an_event_that_is_counted_again_is_the_newest() {
        let event = |uid: &str, last: &str| json!({"metadata": {"uid": uid}, "lastTimestamp": last});
        let mut events = Objects::default();
        events.set(vec![event("b", "12:01"), event("a", "12:00")]);
        assert_eq!(events.id_at(0).as_deref(), Some("a"));
        events.put(event("a", "12:02"));
        assert_eq!((events.n_rows(), events.id_at(1).as_deref()), (2, Some("a")));
        events.remove(&event("a", ""));
        assert_eq!(events.n_rows(), 1);
    }
}
