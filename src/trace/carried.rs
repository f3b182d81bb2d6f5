//! Which of the headers that carry keys a request has, whatever is in them.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A header that a key can be in, and that Spur writes keys into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyHeader {
    /// `baggage`
    Baggage,
    /// `tracestate`
    Tracestate,
    /// `spur-key`
    SpurKey,
}

/// Some of them, in a byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried(u8);

// === impl KeyHeader ===

impl KeyHeader {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Baggage, Self::Tracestate, Self::SpurKey];

    /// The header's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Baggage => "baggage",
            Self::Tracestate => "tracestate",
            Self::SpurKey => "spur-key",
        }
    }
}

// === impl Carried ===

impl Carried {
    /// With this one, too.
    #[must_use]
    pub fn with(self, header: KeyHeader) -> Self {
        Self(self.0 | 1 << header as u8)
    }

    /// Whether it is among them.
    #[must_use]
    pub fn has(self, header: KeyHeader) -> bool {
        self.0 & 1 << header as u8 != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0 == 0
    }

    /// Those that are there.
    pub fn iter(self) -> impl Iterator<Item = KeyHeader> {
        KeyHeader::ALL.into_iter().filter(move |header| self.has(*header))
    }
}

impl FromIterator<KeyHeader> for Carried {
    fn from_iter<I: IntoIterator<Item = KeyHeader>>(headers: I) -> Self {
        headers.into_iter().fold(Self::default(), Self::with)
    }
}

impl Serialize for Carried {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Carried {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Carried;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of names of headers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Carried, A::Error> {
                let mut carried = Carried::default();
                while let Some(header) = names.next_element()? {
                    carried = carried.with(header);
                }
                Ok(carried)
            }
        }
        deserializer.deserialize_seq(Names)
    }
}
