//! The filter language: one line of text that a request, a hop or a log line fits or does not.
//!
//! ```text
//!  "svc:checkout status>=500" ─lex─► tokens ─parse─► Expr ─eval─► over `Fields`
//!                                                     └─print─► the same, in its plain form
//! ```
//!
//! ```text
//! filter  := either?
//! either  := all (("|" | "or") all)*
//! all     := unary (("&" | "and")? unary)*
//! unary   := ("!" | "not") unary | upstream
//! upstream:= primary (">>" primary)*        a>>b: a hop that fits b, with one that fits a above it
//! primary := "(" either ")" | "{" either "}" | term      {…}: one and the same hop fits all of it
//! term    := field op value | word | "quoted"
//! ```
//!
//! A trace is matched as its request: `status`, `dur`, `method`, `path` and the like are those of
//! the request that came in, while `svc`, `from`, `to`, `hop`, `rule`, `sandbox`, `key` and `err`
//! ask whether *some* hop of it has the value. Inside `{…}` and beside `>>` everything is asked of
//! single hops. `a != b` is `!(a = b)` and `a !~ b` is `!(a ~ b)`, so that they hold where the
//! field is absent.
//!
//! `:` finds a part of a text whatever its case, `=` wants all of it as it is, `~` is a regular
//! expression, and `field:*` asks whether there is a value at all. `host` is recorded of requests
//! that were refused; `req.…`, `res.…` and `body` of hops that were captured, where the capture is.
//! `level` and `msg` belong to log lines. `attr.…` asks the spans that applications reported, inside
//! `{…}` those that lie under the hop.

mod complete;
mod error;
mod eval;
mod field;
mod lex;
mod live;
mod of_trace;
mod parse;
mod print;
mod tree;
mod value;

use std::fmt;
use std::str::FromStr;

pub(crate) use value::level;

pub use complete::{Completion, complete};
pub use error::FilterError;
pub use eval::{Fields, Part, Value};
pub use field::{Field, FieldFacts, HopClass, Kind};
pub use live::live_values;
pub use of_trace::TraceAt;
pub use tree::{Compare, Expr, Pattern, Term, Test, TextTest};

/// What is wanted. The default wants everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    expr: Option<Expr>,
}

// === impl Filter ===

impl Filter {
    /// The longest text of a filter, in bytes: far more than anybody types, and what of it is kept
    /// and asked is bounded with it.
    pub const MAX_BYTES: usize = 4_096;

    /// How deep `(…)`, `{…}` and `!` may stand in each other: whatever walks a filter does so by
    /// calling itself.
    pub const MAX_DEPTH: usize = 64;

    /// Reads a filter.
    ///
    /// # Errors
    /// With the place in the text, and what was wanted there.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::filter(text).map(|expr| Self { expr })
    }

    /// Whether it fits.
    #[must_use]
    pub fn matches(&self, subject: &impl Fields) -> bool {
        self.expr.as_ref().is_none_or(|expr| eval::matches(expr, subject))
    }

    /// The tree; `None` wants everything.
    #[must_use]
    pub fn expr(&self) -> Option<&Expr> {
        self.expr.as_ref()
    }
}

impl From<Expr> for Filter {
    fn from(expr: Expr) -> Self {
        Self { expr: Some(expr) }
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.expr {
            Some(expr) => expr.fmt(f),
            None => Ok(()),
        }
    }
}
