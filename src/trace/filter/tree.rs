//! A filter as a tree. It is plain data: read by `parse`, walked by `eval`, written by `print`.

use regex::{Regex, RegexBuilder};

use super::field::{Field, HopClass};

/// What has to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// All of at least two.
    All(Vec<Expr>),
    /// One of at least two.
    Either(Vec<Expr>),
    /// Not this.
    Not(Box<Expr>),
    /// One and the same hop fits.
    OneHop(Box<Expr>),
    /// A hop fits `below`, and one above it in the same trace fits `above`.
    Upstream {
        /// The hop nearer to the entry.
        above: Box<Expr>,
        /// The hop that it led to, at once or through others.
        below: Box<Expr>,
    },
    /// A word in the method, path, host, service, key or trace id.
    Word(String),
    /// A field has a value.
    Term(Term),
}

/// A field, and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The field.
    pub field: Field,
    /// What is asked; it fits the field's kind.
    pub test: Test,
}

/// What is asked of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// That there is one.
    Present,
    /// A text or a word.
    Text(TextTest, String),
    /// A text by a regular expression.
    Pattern(Pattern),
    /// A number of the field's unit: a status, microseconds, bytes, a gRPC status.
    Number(Compare, u64),
    /// A status between these, both included: `5xx`, `50x`.
    Within(u64, u64),
    /// A flag.
    Is(bool),
    /// A class of hops.
    Class(HopClass),
}

/// How a text is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextTest {
    /// It is somewhere in it; ASCII letters are the same in both cases.
    Contains,
    /// It is all of it. The case counts, but for words.
    Equals,
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `=`
    Equal,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `<`
    Less,
    /// `<=`
    AtMost,
}

/// A regular expression, which is found anywhere in a text unless it says otherwise. Two are equal
/// if their texts are.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

// === impl Pattern ===

impl Pattern {
    /// What a compiled expression may take, in bytes: `\w{1,20}` just fits (regex 1.13), since a
    /// `\w` is every letter of Unicode. A follower keeps its filter for as long as it stays.
    const MAX_COMPILED_BYTES: usize = 1 << 20;

    /// Compiles an expression. Matching takes time in proportion to the text
    /// (<https://docs.rs/regex/latest/regex/#untrusted-input>).
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn new(text: &str) -> Result<Self, String> {
        let built = RegexBuilder::new(text)
            .size_limit(Self::MAX_COMPILED_BYTES)
            .dfa_size_limit(Self::MAX_COMPILED_BYTES)
            .build();
        built.map(Self).map_err(|error| match error {
            regex::Error::CompiledTooBig(max) => format!("it takes more than {max} bytes"),
            // The last line says what; those before draw it.
            error => {
                error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
        })
    }

    /// The text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it is somewhere in the text.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

// === impl Compare ===

impl Compare {
    /// Whether it holds between these.
    #[must_use]
    pub fn holds(self, found: u64, wanted: u64) -> bool {
        match self {
            Self::Equal => found == wanted,
            Self::Greater => found > wanted,
            Self::AtLeast => found >= wanted,
            Self::Less => found < wanted,
            Self::AtMost => found <= wanted,
        }
    }

    /// As it is typed.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Less => "<",
            Self::AtMost => "<=",
        }
    }
}
