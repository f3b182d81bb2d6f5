//! A stored object as it is sent, without reading it.
//!
//! What is stored differs from what is sent by the resourceVersion alone, unless the shape has to
//! change on the way (`object`). So lists, watches and reads of whole objects put it in where it
//! was taken out, and copy the rest: for 1 KB that is some hundred nanoseconds instead of some ten
//! microseconds of reading and writing JSON.

use bytes::Bytes;
use spur_store::Revision;

use crate::served::Served;

/// How objects of one kind begin.
#[derive(Clone, Debug)]
pub(crate) struct Splice {
    /// `{"kind":"ConfigMap","apiVersion":"v1","metadata":{`; `None` where objects are read.
    head: Option<String>,
}

// === impl Splice ===

impl Splice {
    /// For objects of this kind, as `object::encode` writes them.
    pub(crate) fn new(kind: &Served) -> Self {
        let head = || {
            let (name, version) = (kind.kind(), kind.api_version());
            format!(r#"{{"kind":"{name}","apiVersion":"{version}","metadata":{{"#)
        };
        Self { head: kind.is_sent_as_stored().then(head) }
    }

    /// The object with its resourceVersion; `None` where it has to be read.
    pub(crate) fn object(&self, stored: &[u8], revision: Revision) -> Option<Vec<u8>> {
        self.wrapped("", stored, revision, "")
    }

    /// A line of a watch; `None` where the object has to be read.
    pub(crate) fn event(&self, type_: &str, stored: &[u8], revision: Revision) -> Option<Bytes> {
        let before = format!(r#"{{"type":"{type_}","object":"#);
        self.wrapped(&before, stored, revision, "}\n").map(Bytes::from)
    }

    /// A line of a watch for who wants the metadata alone; `None` where the object has to be read.
    pub(crate) fn metadata_event(&self, type_: &str, stored: &[u8], revision: Revision) -> Option<Bytes> {
        let (_, rest) = self.split(stored)?;
        let metadata = &rest[..end_of_object(rest)?];
        let before = format!(
            r#"{{"type":"{type_}","object":{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{{"resourceVersion":"{revision}","#
        );
        Some(Bytes::from([before.as_bytes(), metadata, b"}}\n"].concat()))
    }

    fn wrapped(&self, before: &str, stored: &[u8], revision: Revision, after: &str) -> Option<Vec<u8>> {
        let (head, rest) = self.split(stored)?;
        let version = format!(r#""resourceVersion":"{revision}","#);
        let parts = [before.as_bytes(), head.as_bytes(), version.as_bytes(), rest, after.as_bytes()];
        Some(parts.concat())
    }

    /// The head, and all that follows the brace that opens the metadata.
    fn split<'a>(&'a self, stored: &'a [u8]) -> Option<(&'a str, &'a [u8])> {
        let head = self.head.as_deref()?;
        // Objects have a name and a uid at least, so there is a field to part from by a comma.
        let rest = stored.strip_prefix(head.as_bytes()).filter(|rest| rest.starts_with(b"\""))?;
        Some((head, rest))
    }
}

/// How many bytes of JSON belong to an object that is open already, its closing brace included.
fn end_of_object(json: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (1_u32, 0);
    loop {
        match json.get(at)? {
            b'"' => at += end_of_text(&json[at + 1..])?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// How many bytes belong to a text that is open already, its closing quotation mark included.
fn end_of_text(json: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
        match json[at] {
            b'"' => return Some(at + 1),
            // What is escaped may be a quotation mark.
            _ => at += 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use spur_api::REGISTRY;

    use super::*;
    use crate::object;

    fn check(kind: &Served, is_spliced: bool) {
        let object = json!({
            "spec": {"a": 1}, "metadata": {"name": "a", "namespace": "b"},
            "apiVersion": kind.api_version(), "kind": kind.kind(),
        });
        let stored = object::encode(kind, &object);
        let spliced = Splice::new(kind).object(&stored, Revision(7));
        assert_eq!(spliced.is_some(), is_spliced, "{}", kind.kind());
        let Some(spliced) = spliced else { return };
        let read = object::decode(kind, &stored, Revision(7)).expect("what was encoded");
        let spliced: Value = serde_json::from_slice(&spliced).expect("JSON");
        assert_eq!(spliced, read, "{}", kind.kind());
    }

    #[test]
    fn every_kind_is_sent_as_if_it_was_read() {
        for row in REGISTRY {
            let kind = Served::Bundled(row);
            check(&kind, row.rules.stored_as.is_none());
        }
    }

    #[test]
    fn what_does_not_begin_as_it_should_is_read() {
        let splice = Splice::new(&Served::bundled("", "v1", "configmaps"));
        for stored in [
            r#"{"kind":"ConfigMap","apiVersion":"v2","metadata":{"name":"a"}}"#,
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{}}"#,
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#,
            "rubbish",
            "",
        ] {
            assert_eq!(splice.object(stored.as_bytes(), Revision(1)), None, "{stored}");
        }
    }

    #[test]
    fn metadata_alone_is_as_if_the_object_was_read() {
        let kind = Served::bundled("", "v1", "configmaps");
        let object = json!({
            "kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "}"},
            "metadata": {"name": "a", "uid": "u", "annotations": {"x": "\"}]\\", "y": "{["}, "finalizers": ["f"]},
        });
        let stored = object::encode(&kind, &object);
        let line = Splice::new(&kind).metadata_event("ADDED", &stored, Revision(7)).expect("a line");
        let event: Value = serde_json::from_slice(&line).expect("JSON");
        let read = object::decode(&kind, &stored, Revision(7)).expect("what was encoded");
        assert_eq!(event, json!({"type": "ADDED", "object": crate::table::metadata_only(&read)}));
        assert!(line.ends_with(b"}\n"));
        assert_eq!(end_of_object(br#""a":{"#), None, "what has no end");
    }

    #[test]
    fn an_event_is_a_line() {
        let splice = Splice::new(&Served::bundled("", "v1", "configmaps"));
        let stored = br#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"}}"#;
        assert_eq!(
            splice.event("ADDED", stored, Revision(7)).expect("an event"),
            "{\"type\":\"ADDED\",\"object\":{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\
             \"metadata\":{\"resourceVersion\":\"7\",\"name\":\"a\"}}}\n"
        );
    }
}
