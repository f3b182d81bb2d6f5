//! The name of an object: resource, namespace, name, and its order-preserving encoding.
//!
//! What characters a name may hold is the API server's rule; here any string round-trips.

use std::fmt;
use std::sync::Arc;

/// Ends an escaped component; sorts below every byte that may follow inside one.
const END: [u8; 2] = [0x00, 0x01];
/// A zero byte inside a component, so that it can never be taken for [`END`].
const ZERO: [u8; 2] = [0x00, 0x02];
/// Marks a cluster-scoped object.
const CLUSTER: u8 = 0x01;
/// Marks a namespaced object; sorts after [`CLUSTER`], as `Some` does after `None`.
const NAMESPACED: u8 = 0x02;

/// Names one object. Ordered by resource, namespace (cluster-scoped first), name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Plural and group, `pods` or `deployments.apps`.
    pub resource: Arc<str>,
    /// The namespace; `None` for cluster-scoped resources.
    pub namespace: Option<Arc<str>>,
    /// The object's name, unique in its resource and namespace.
    pub name: Arc<str>,
}

/// Half-open range of encoded keys.
#[derive(Clone, Debug)]
pub(crate) struct EncodedRange {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
}

/// Decodes many keys of one listing, sharing the strings that repeat from row to row.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    resource: Option<Arc<str>>,
    namespace: Option<Arc<str>>,
}

// === impl Key ===

impl Key {
    /// Names a namespaced object.
    #[must_use]
    pub fn namespaced(resource: &str, namespace: &str, name: &str) -> Self {
        Self::new(resource, Some(namespace), name)
    }

    /// Names a cluster-scoped object.
    #[must_use]
    pub fn cluster(resource: &str, name: &str) -> Self {
        Self::new(resource, None, name)
    }

    /// Names an object; an empty namespace is no namespace.
    #[must_use]
    pub fn new(resource: &str, namespace: Option<&str>, name: &str) -> Self {
        Self {
            resource: resource.into(),
            namespace: namespace.filter(|ns| !ns.is_empty()).map(Into::into),
            name: name.into(),
        }
    }

    /// Bytes that sort as the key does: escaped components with a terminator no component holds.
    pub(crate) fn encode(&self) -> Vec<u8> {
        encode(&self.resource, self.namespace.as_deref(), &self.name)
    }

    /// The key these bytes stand for, or `None` where they are not an encoded key.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        Decoder::default().decode(bytes)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.resource, self.name),
            None => write!(f, "{}/{}", self.resource, self.name),
        }
    }
}

// === impl EncodedRange ===

impl EncodedRange {
    /// Every object of a resource, or of one of its namespaces.
    pub(crate) fn of(resource: &str, namespace: Option<&str>) -> Self {
        let mut start = Vec::with_capacity(resource.len() + 64);
        push_component(&mut start, resource);
        if let Some(namespace) = namespace {
            start.push(NAMESPACED);
            push_component(&mut start, namespace);
        }
        let mut end = start.clone();
        // The prefix ends in END's second byte, so its successor is one higher: above every key
        // with the prefix, at or below every other that is above it.
        *end.last_mut().expect("a component ends in END") += 1;
        Self { start, end }
    }

    /// The part of the range after an object that need not exist.
    pub(crate) fn after(mut self, resource: &str, namespace: Option<&str>, name: &str) -> Self {
        let mut next = encode(resource, namespace, name);
        // The least byte string above `next`.
        next.push(0);
        if next > self.start {
            self.start = next;
        }
        if self.start > self.end {
            self.start.clone_from(&self.end);
        }
        self
    }

    /// Whether the encoded key lies in the range.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.start.as_slice() <= key && key < self.end.as_slice()
    }
}

// === impl Decoder ===

impl Decoder {
    /// Decodes one key.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Option<Key> {
        let (resource, rest) = split_component(bytes)?;
        let resource = share(&mut self.resource, &resource)?;
        let (&scope, rest) = rest.split_first()?;
        let (namespace, name) = match scope {
            CLUSTER => (None, rest),
            NAMESPACED => {
                let (namespace, rest) = split_component(rest)?;
                (Some(share(&mut self.namespace, &namespace)?), rest)
            }
            _ => return None,
        };
        let name = std::str::from_utf8(name).ok()?.into();
        Some(Key { resource, namespace, name })
    }
}

fn encode(resource: &str, namespace: Option<&str>, name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(resource.len() + namespace.map_or(0, str::len) + name.len() + 8);
    push_component(&mut out, resource);
    match namespace {
        None => out.push(CLUSTER),
        Some(namespace) => {
            out.push(NAMESPACED);
            push_component(&mut out, namespace);
        }
    }
    // Nothing follows the name, so it needs neither escape nor terminator.
    out.extend_from_slice(name.as_bytes());
    out
}

fn push_component(out: &mut Vec<u8>, component: &str) {
    for byte in component.bytes() {
        match byte {
            0 => out.extend_from_slice(&ZERO),
            byte => out.push(byte),
        }
    }
    out.extend_from_slice(&END);
}

fn split_component(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut component = Vec::with_capacity(32);
    let mut rest = bytes;
    loop {
        let zero = rest.iter().position(|&byte| byte == 0)?;
        component.extend_from_slice(&rest[..zero]);
        let mark = rest.get(zero..zero + 2)?;
        rest = &rest[zero + 2..];
        if mark == END {
            return Some((component, rest));
        }
        if mark != ZERO {
            return None;
        }
        component.push(0);
    }
}

/// The same text as last time shares its allocation.
fn share(last: &mut Option<Arc<str>>, bytes: &[u8]) -> Option<Arc<str>> {
    let text = std::str::from_utf8(bytes).ok()?;
    match last {
        Some(shared) if **shared == *text => Some(shared.clone()),
        _ => Some(last.insert(text.into()).clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn component() -> impl Strategy<Value = String> {
        // Zero, the marker bytes and slashes are what a careless encoding would trip over.
        proptest::collection::vec(
            prop_oneof![Just('\0'), Just('\u{1}'), Just('\u{2}'), Just('/'), Just('a'), Just('ÿ')],
            0..4,
        )
        .prop_map(|chars| chars.into_iter().collect())
    }

    fn key() -> impl Strategy<Value = Key> {
        (component(), proptest::option::of(component()), component())
            .prop_map(|(resource, namespace, name)| Key::new(&resource, namespace.as_deref(), &name))
    }

    proptest! {
        /// AP-6: no name reaches into another key.
        #[test]
        fn encoding_round_trips_and_keeps_the_order(a in key(), b in key()) {
            prop_assert_eq!(Key::decode(&a.encode()), Some(a.clone()));
            prop_assert_eq!(a.encode().cmp(&b.encode()), a.cmp(&b));
        }

        #[test]
        fn a_range_holds_exactly_its_resource_and_namespace(
            a in key(), resource in component(), namespace in proptest::option::of(component()),
        ) {
            let namespace = namespace.filter(|ns| !ns.is_empty());
            let inside = *a.resource == *resource
                && (namespace.is_none() || a.namespace.as_deref() == namespace.as_deref());
            let range = EncodedRange::of(&resource, namespace.as_deref());
            prop_assert_eq!(range.contains(&a.encode()), inside);
        }

        #[test]
        fn after_is_exclusive(a in key(), b in key()) {
            let range = EncodedRange::of(&a.resource, None)
                .after(&a.resource, b.namespace.as_deref(), &b.name);
            let from = Key { resource: a.resource.clone(), ..b };
            prop_assert_eq!(range.contains(&a.encode()), a > from);
        }
    }

    #[test]
    fn bytes_that_are_no_key_are_refused() {
        for bytes in [&b""[..], b"pods", b"pods\0", b"pods\0\x03", b"pods\0\x01", b"pods\0\x01\x07a"] {
            assert_eq!(Key::decode(bytes), None, "{bytes:?}");
        }
    }
}
