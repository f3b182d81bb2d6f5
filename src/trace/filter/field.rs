//! The fields of the language, each once, with what it holds.

use std::fmt;

/// What a term asks about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// The HTTP status.
    Status,
    /// How long it took.
    Dur,
    /// The HTTP method.
    Method,
    /// The path and query.
    Path,
    /// The host that was asked for.
    Host,
    /// The Service that was asked for.
    Svc,
    /// The calling workload; `gw` at the entry.
    From,
    /// The workload that answered.
    To,
    /// What became of a hop.
    Hop,
    /// The rule that matched, as `kind namespace/name`.
    Rule,
    /// The sandbox whose fork answered.
    Sandbox,
    /// The routing key, or the one that was lost.
    Key,
    /// The trace id.
    Trace,
    /// Whether it is the repetition of another request.
    Replay,
    /// The mark that somebody set.
    Mark,
    /// Why it failed or was refused, as a code.
    Err,
    /// How long ago it began.
    Age,
    /// Bytes of both bodies.
    Size,
    /// What was spoken.
    Proto,
    /// The gRPC status.
    Grpc,
    /// The level of a log line.
    Level,
    /// The message of a log line.
    Msg,
    /// The bodies, where they were captured.
    Body,
    /// A header of the request, in lower case.
    Req(String),
    /// A header of the response, in lower case.
    Res(String),
    /// An attribute of a span or a log line.
    Attr(String),
}

/// What a hop can be, besides its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HopClass {
    /// A fork answered it, or should have.
    Fork,
    /// The baseline did.
    Base,
    /// A weight sent it where it went.
    Split,
    /// Its caller lost the key.
    Lost,
    /// It failed.
    Error,
}

/// What a field holds, which decides how it may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A word whose case does not matter.
    Word,
    /// `503`, `5xx`, `5+`.
    Status,
    /// `200ms`, in microseconds.
    Duration,
    /// `64KiB`, in bytes.
    Size,
    /// A gRPC status by number or name.
    Grpc,
    /// A severity by name: `warn`, in OpenTelemetry's numbers.
    Level,
    /// `true` or `false`.
    Flag,
    /// A [`HopClass`].
    Class,
}

/// A field as people type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldFacts {
    /// Its name; one that ends in `.` is followed by a name of the user's.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it is, in a few words.
    pub about: &'static str,
}

/// Makes a field of the user's name.
type OfName = fn(String) -> Field;

/// Every field without a name of the user's in it.
const PLAIN: [(Field, FieldFacts); 23] = [
    (Field::Status, facts("status", Kind::Status, "HTTP status: 503, 5xx, 5+")),
    (Field::Dur, facts("dur", Kind::Duration, "how long it took: >200ms")),
    (Field::Method, facts("method", Kind::Word, "HTTP method")),
    (Field::Path, facts("path", Kind::Text, "path and query")),
    (Field::Host, facts("host", Kind::Text, "host that was asked for")),
    (Field::Svc, facts("svc", Kind::Text, "service that was asked for")),
    (Field::From, facts("from", Kind::Text, "calling workload; gw at the entry")),
    (Field::To, facts("to", Kind::Text, "workload that answered")),
    (Field::Hop, facts("hop", Kind::Class, "fork, base, split, lost, error")),
    (Field::Rule, facts("rule", Kind::Text, "rule that matched")),
    (Field::Sandbox, facts("sandbox", Kind::Text, "sandbox whose fork answered")),
    (Field::Key, facts("key", Kind::Text, "routing key, or the one that was lost")),
    (Field::Trace, facts("trace", Kind::Word, "trace id")),
    (Field::Replay, facts("replay", Kind::Flag, "whether it was sent again by you")),
    (Field::Mark, facts("mark", Kind::Text, "mark that you set")),
    (Field::Err, facts("err", Kind::Text, "why it failed, as a code")),
    (Field::Age, facts("age", Kind::Duration, "how long ago it began: <5m")),
    (Field::Size, facts("size", Kind::Size, "bytes of both bodies: >64KiB")),
    (Field::Proto, facts("proto", Kind::Word, "what was spoken: http/1.1, http/2.0, grpc, tcp, udp")),
    (Field::Grpc, facts("grpc", Kind::Grpc, "gRPC status: 14 or unavailable")),
    (Field::Level, facts("level", Kind::Level, "level of a log line or an event: >=warn")),
    (Field::Msg, facts("msg", Kind::Text, "message of a log line")),
    (Field::Body, facts("body", Kind::Text, "captured bodies")),
];

/// The fields with a name of the user's in them.
const NAMED: [(OfName, FieldFacts); 3] = [
    (Field::Req, facts("req.", Kind::Text, "request header: req.x-team:a")),
    (Field::Res, facts("res.", Kind::Text, "response header")),
    (Field::Attr, facts("attr.", Kind::Text, "attribute of a span or log line")),
];

const fn facts(name: &'static str, kind: Kind, about: &'static str) -> FieldFacts {
    FieldFacts { name, kind, about }
}

// === impl Field ===

impl Field {
    /// The fields, as they are typed.
    pub fn all() -> impl Iterator<Item = FieldFacts> {
        PLAIN.iter().map(|(_, facts)| *facts).chain(NAMED.iter().map(|(_, facts)| *facts))
    }

    /// Reads a field's name. Header names are the same in upper and lower case (RFC 9110, 5.1).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some((field, _)) = PLAIN.iter().find(|(_, facts)| facts.name == name) {
            return Some(field.clone());
        }
        let (make, rest) =
            NAMED.iter().find_map(|(make, facts)| Some((make, name.strip_prefix(facts.name)?)))?;
        let is_name = !rest.is_empty() && rest.bytes().all(is_name_byte);
        match make(rest.to_owned()) {
            _ if !is_name => None,
            Self::Req(header) => Some(Self::Req(header.to_ascii_lowercase())),
            Self::Res(header) => Some(Self::Res(header.to_ascii_lowercase())),
            field => Some(field),
        }
    }

    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match PLAIN.iter().find(|(field, _)| field == self) {
            Some((_, facts)) => facts.kind,
            None => Kind::Text,
        }
    }

    /// The field whose name is closest to a wrong one, where one is close.
    pub(super) fn like(wrong: &str) -> Option<&'static str> {
        let wrong = wrong.to_ascii_lowercase();
        let (distance, name) = Self::all().map(|facts| (edits(&wrong, facts.name), facts.name)).min()?;
        // Two slips of the finger; in a short word two are another word.
        let is_close = distance <= 2 && distance * 2 < name.len().max(wrong.len());
        (is_close || name.starts_with(&wrong) || wrong.starts_with(name)).then_some(name)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Req(name) => write!(f, "req.{name}"),
            Self::Res(name) => write!(f, "res.{name}"),
            Self::Attr(name) => write!(f, "attr.{name}"),
            plain => {
                let found = PLAIN.iter().find(|(field, _)| field == plain);
                f.write_str(found.map_or("", |(_, facts)| facts.name))
            }
        }
    }
}

/// What a field's name may hold: header names as people write them, and OpenTelemetry's attributes.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/')
}

/// How many letters have to be put in, taken out or replaced (Levenshtein).
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = before + usize::from(a != *b);
            before = row[j + 1];
            row[j + 1] = replaced.min(before + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

// === impl HopClass ===

impl HopClass {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Fork, Self::Base, Self::Split, Self::Lost, Self::Error];

    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Base => "base",
            Self::Split => "split",
            Self::Lost => "lost",
            Self::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read_back_from_its_name() {
        for facts in Field::all() {
            let name =
                if facts.name.ends_with('.') { format!("{}x-a", facts.name) } else { facts.name.into() };
            let field = Field::from_name(&name).unwrap();
            assert_eq!(field.to_string(), name);
            assert_eq!(field.kind(), facts.kind);
        }
        assert_eq!(Field::from_name("req.X-Team"), Some(Field::Req("x-team".into())));
        assert_eq!(Field::from_name("req."), None);
        assert_eq!(Field::from_name("statu"), None);
    }

    #[test]
    fn a_slip_finds_the_field_that_was_meant() {
        for (wrong, meant) in
            [("statu", "status"), ("duration", "dur"), ("pth", "path"), ("Status", "status")]
        {
            assert_eq!(Field::like(wrong), Some(meant), "{wrong}");
        }
        assert_eq!(Field::like("qqqq"), None);
    }
}
