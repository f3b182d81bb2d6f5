//! What functions and operators take and give.
//!
//! Only functions that the evaluator has stand in the tables. What it has beyond Kubernetes
//! (`math.abs`, …), and of `ext/lists.go` (`distinct`, `slice`, …), stands in none, and nothing is
//! known of what that gives.

mod extensions;
mod kubernetes;
mod standard;

use super::types::Type;
use super::unification::Unification;

/// One way to call a function.
#[derive(Debug)]
pub(super) struct Overload {
    pub(super) function: &'static str,
    pub(super) style: Style,
    takes: &'static [Shape],
    gives: Shape,
}

/// How a call is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `f(x)`, and operators.
    Global,
    /// `x.f()`; what it is called on is the first of what it takes.
    Member,
}

/// A type in a declaration.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    Dyn,
    List(&'static Self),
    Map(&'static Self, &'static Self),
    Optional(&'static Self),
    Meta(&'static Self),
    Opaque(&'static str),
    /// Any type, the same one at every place of the overload.
    A,
    /// Any type, another one than [`Shape::A`].
    B,
}

/// What stands for [`Shape::A`] and [`Shape::B`] in one call.
#[derive(Default)]
struct Parameters<'a> {
    a: Option<Type<'a>>,
    b: Option<Type<'a>>,
}

/// The ways to call a function in one style.
pub(super) fn of(function: &str, style: Style) -> impl Iterator<Item = &'static Overload> {
    all().filter(move |overload| overload.style == style && overload.function == function)
}

/// Whether anything is declared of a function.
pub(super) fn is_declared(function: &str) -> bool {
    all().any(|overload| overload.function == function)
}

fn all() -> impl Iterator<Item = &'static Overload> {
    [standard::OVERLOADS, extensions::OVERLOADS, kubernetes::OVERLOADS].into_iter().flatten()
}

const fn global(function: &'static str, takes: &'static [Shape], gives: Shape) -> Overload {
    Overload { function, style: Style::Global, takes, gives }
}

const fn member(function: &'static str, takes: &'static [Shape], gives: Shape) -> Overload {
    Overload { function, style: Style::Member, takes, gives }
}

// === impl Overload ===

impl Overload {
    /// What it takes and gives in one call: its own variables in the place of parameters.
    pub(super) fn instantiate<'a>(&self, unification: &mut Unification<'a>) -> (Vec<Type<'a>>, Type<'a>) {
        let mut parameters = Parameters::default();
        let mut instantiate = |shape: &Shape| shape.instantiate(unification, &mut parameters);
        let takes = self.takes.iter().map(&mut instantiate).collect();
        (takes, instantiate(&self.gives))
    }

    /// Whether it has room for as many arguments.
    pub(super) fn takes_as_many(&self, n_arguments: usize) -> bool {
        self.takes.len() == n_arguments
    }
}

// === impl Shape ===

impl Shape {
    fn instantiate<'a>(
        &self,
        unification: &mut Unification<'a>,
        parameters: &mut Parameters<'a>,
    ) -> Type<'a> {
        match self {
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Uint => Type::Uint,
            Self::Double => Type::Double,
            Self::String => Type::String,
            Self::Bytes => Type::Bytes,
            Self::Timestamp => Type::Timestamp,
            Self::Duration => Type::Duration,
            Self::Dyn => Type::Dyn,
            Self::List(items) => Type::list(items.instantiate(unification, parameters)),
            Self::Map(keys, values) => Type::map(
                keys.instantiate(unification, parameters),
                values.instantiate(unification, parameters),
            ),
            Self::Optional(value) => Type::optional(value.instantiate(unification, parameters)),
            Self::Meta(value) => Type::meta(value.instantiate(unification, parameters)),
            Self::Opaque(name) => Type::Opaque(name),
            Self::A => parameters.a.get_or_insert_with(|| unification.fresh()).clone(),
            Self::B => parameters.b.get_or_insert_with(|| unification.fresh()).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::functions;
    use super::*;

    #[test]
    fn every_declared_function_runs() {
        let context = functions::context();
        for overload in all() {
            assert!(functions::is_known(&context, overload.function), "{}", overload.function);
        }
    }
}
