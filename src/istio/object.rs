//! Walking an object with its path in hand, so that whatever is said about a value says where it
//! stands; and the table of fields, which says what becomes of each.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::{Map, Value};
use spur_schema::{FieldError, duration};

use crate::{Reading, Spec};

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It is obeyed.
    Honoured,
    /// It is accepted and does nothing; the text says why, for the object's status.
    Reported(&'static str),
}

/// A field that is right and not obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Where: `spec.http[0].fault`.
    pub path: String,
    /// Why it is not obeyed.
    pub why: &'static str,
}

/// A field of a message, and those below it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) support: Support,
    pub(crate) below: &'static [Field],
}

/// One message of an object, with its place.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    map: &'a Map<String, Value>,
    path: &'a str,
    notes: &'a Notes,
}

/// Where an object lives.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// Its resourceVersion; 0 for one from a file.
    pub(crate) revision: u64,
}

#[derive(Default)]
pub(crate) struct Notes {
    faults: RefCell<Vec<FieldError>>,
    unsupported: RefCell<Vec<Unsupported>>,
}

/// A message that has its own path, since it stands in a list or below a field.
pub(crate) struct Held<'a> {
    map: &'a Map<String, Value>,
    path: String,
    notes: &'a Notes,
}

/// Reads one kind.
pub(crate) type Reader = fn(&Place<'_>, &Message<'_>) -> Option<Spec>;

/// Reads the `spec` of an object.
pub(crate) fn reading(object: &Value, read: Reader) -> Reading {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let place = Place {
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name"),
        revision: text("/metadata/resourceVersion").parse().unwrap_or(0),
    };
    let notes = Notes::default();
    let map = object.get("spec").and_then(Value::as_object).unwrap_or(&EMPTY);
    let spec = read(&place, &Message { map, path: "spec", notes: &notes });
    Reading { spec, faults: notes.faults.into_inner(), unsupported: notes.unsupported.into_inner() }
}

/// Every field below `spec`, by its path.
pub(crate) fn paths(fields: &[Field]) -> Vec<(String, Support)> {
    fn walk(fields: &[Field], path: &str, out: &mut Vec<(String, Support)>) {
        for field in fields {
            let path = format!("{path}.{}", field.name);
            out.push((path.clone(), field.support));
            walk(field.below, &path, out);
        }
    }
    let mut out = Vec::new();
    walk(fields, "spec", &mut out);
    out
}

// === impl Field ===

impl Field {
    pub(crate) const fn honoured(name: &'static str) -> Self {
        Self { name, support: Support::Honoured, below: &[] }
    }

    /// An honoured field that holds messages.
    pub(crate) const fn holds(name: &'static str, below: &'static [Field]) -> Self {
        Self { name, support: Support::Honoured, below }
    }

    pub(crate) const fn reported(name: &'static str, why: &'static str) -> Self {
        Self { name, support: Support::Reported(why), below: &[] }
    }
}

// === impl Message ===

impl<'a> Message<'a> {
    /// Looks every field up in the table: those that are not obeyed are noted.
    pub(crate) fn check(&self, fields: &[Field]) {
        for (name, value) in self.map {
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                self.fault(FieldError::invalid(self.at(name), value.clone(), "there is no such field"));
                continue;
            };
            if let Support::Reported(why) = field.support
                && !value.is_null()
            {
                self.notes.unsupported.borrow_mut().push(Unsupported { path: self.at(name), why });
            }
        }
    }

    /// The path of a field.
    pub(crate) fn at(&self, name: &str) -> String {
        // What begins with a bracket goes on from here, and an empty one is the message itself.
        match name {
            "" => self.path.to_owned(),
            name if name.starts_with('[') => format!("{}{name}", self.path),
            name => format!("{}.{name}", self.path),
        }
    }

    pub(crate) fn fault(&self, fault: FieldError) {
        self.notes.faults.borrow_mut().push(fault);
    }

    /// Something that is accepted and does nothing, beyond what the table of fields says.
    pub(crate) fn unsupported(&self, name: &str, why: &'static str) {
        self.notes.unsupported.borrow_mut().push(Unsupported { path: self.at(name), why });
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.typed(name, "a string", Value::as_str)
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.typed(name, "a boolean", Value::as_bool)
    }

    /// A number from 0 on.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.typed(name, "a number from 0 on", Value::as_u64)
    }

    /// A number that fits, within bounds.
    pub(crate) fn number_within(&self, name: &str, least: u32, most: u32) -> Option<u32> {
        let found = self.number(name)?;
        let fits = u32::try_from(found).ok().filter(|number| (least..=most).contains(number));
        if fits.is_none() {
            let detail = format!("must be from {least} to {most}");
            self.fault(FieldError::invalid(self.at(name), found, detail));
        }
        fits
    }

    pub(crate) fn port(&self, name: &str) -> Option<u16> {
        self.number_within(name, 1, 65_535).and_then(|port| u16::try_from(port).ok())
    }

    pub(crate) fn message(&self, name: &str) -> Option<Held<'a>> {
        let map = self.typed(name, "an object", Value::as_object)?;
        Some(Held { map, path: self.at(name), notes: self.notes })
    }

    pub(crate) fn messages(&self, name: &str) -> Vec<Held<'a>> {
        let items = self.typed(name, "a list", Value::as_array).map_or(&[][..], Vec::as_slice);
        let held = items.iter().enumerate().filter_map(|(place, item)| {
            let path = format!("{}[{place}]", self.at(name));
            match item.as_object() {
                Some(map) => Some(Held { map, path, notes: self.notes }),
                None => {
                    self.fault(FieldError::type_invalid(path, item.clone(), "must be an object"));
                    None
                }
            }
        });
        held.collect()
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<&'a str> {
        let items = self.typed(name, "a list", Value::as_array).map_or(&[][..], Vec::as_slice);
        let texts = items.iter().enumerate().filter_map(|(place, item)| {
            if item.as_str().is_none() {
                let path = format!("{}[{place}]", self.at(name));
                self.fault(FieldError::type_invalid(path, item.clone(), "must be a string"));
            }
            item.as_str()
        });
        texts.collect()
    }

    /// The entries of a map.
    pub(crate) fn entries(&self, name: &str) -> Vec<(&'a str, &'a Value)> {
        let map = self.typed(name, "an object", Value::as_object);
        map.into_iter().flatten().map(|(name, value)| (name.as_str(), value)).collect()
    }

    /// The entries of a map of texts.
    pub(crate) fn text_entries(&self, name: &str) -> Vec<(&'a str, &'a str)> {
        let entries = self.entries(name).into_iter().filter_map(|(key, value)| {
            if value.as_str().is_none() {
                let path = format!("{}[{key}]", self.at(name));
                self.fault(FieldError::type_invalid(path, value.clone(), "must be a string"));
            }
            Some((key, value.as_str()?))
        });
        entries.collect()
    }

    /// A message that is an entry of a map.
    pub(crate) fn entry(&self, name: &str, key: &str, value: &'a Value) -> Option<Held<'a>> {
        let path = format!("{}[{key}]", self.at(name));
        match value.as_object() {
            Some(map) => Some(Held { map, path, notes: self.notes }),
            None => {
                self.fault(FieldError::type_invalid(path, value.clone(), "must be an object"));
                None
            }
        }
    }

    /// A duration in Go's form (`1h2m3.5s`), of a millisecond at least, as Istio's rules have it.
    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        let found = self.duration_or_zero(name)?;
        if found < Duration::from_millis(1) {
            let text = self.text(name).unwrap_or_default();
            self.fault(FieldError::invalid(self.at(name), text, "must be a valid duration greater than 1ms"));
            return None;
        }
        Some(found)
    }

    /// A duration that may be zero.
    pub(crate) fn duration_or_zero(&self, name: &str) -> Option<Duration> {
        let text = self.text(name)?;
        let parsed = duration::parse(text);
        if parsed.is_none() {
            let detail = "must be a duration such as `1.5s`, `10ms` or `1h30m`";
            self.fault(FieldError::invalid(self.at(name), text, detail));
        }
        parsed
    }

    fn typed<T>(&self, name: &str, wanted: &str, read: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.value(name)?;
        let found = read(value);
        if found.is_none() {
            self.fault(FieldError::type_invalid(self.at(name), value.clone(), format!("must be {wanted}")));
        }
        found
    }
}

// === impl Held ===

impl<'a> Held<'a> {
    /// The message, its fields looked up in the table.
    pub(crate) fn checked(&'a self, fields: &[Field]) -> Message<'a> {
        let message = self.get();
        message.check(fields);
        message
    }

    pub(crate) fn get(&'a self) -> Message<'a> {
        Message { map: self.map, path: &self.path, notes: self.notes }
    }
}
