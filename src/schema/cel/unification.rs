//! Whether a value of one type may stand where another one is wanted.
//!
//! Follows `checker/types.go` and `checker/mapping.go` of `github.com/google/cel-go`.

use std::rc::Rc;

use super::types::Type;

/// What the variables of types stand for, as far as is known.
#[derive(Debug)]
pub(super) struct Unification<'a> {
    bindings: Vec<Option<Type<'a>>>,
    /// Earlier bindings, to be able to go back.
    trail: Vec<(usize, Option<Type<'a>>)>,
    steps_left: u32,
}

/// How a type fits in the place of a variable.
#[derive(PartialEq, Eq)]
enum Fit {
    Fits,
    /// The variable stands for something else already.
    DiffersFromBinding,
    /// The variable would have to contain itself.
    ContainsItself,
}

// === impl Unification ===

impl<'a> Unification<'a> {
    /// Knows nothing, and may take as many steps.
    pub(super) fn new(steps: u32) -> Self {
        Self { bindings: Vec::new(), trail: Vec::new(), steps_left: steps }
    }

    pub(super) fn steps_left(&self) -> u32 {
        self.steps_left
    }

    /// A variable that stands for nothing yet.
    pub(super) fn fresh(&mut self) -> Type<'a> {
        self.bindings.push(None);
        Type::Variable(self.bindings.len() - 1)
    }

    /// Whether the expression was too much to follow, so that no answer means anything.
    pub(super) fn is_exhausted(&self) -> bool {
        self.steps_left == 0
    }

    /// Whether each of `from` may stand in the place of its `to`. What that tells of variables
    /// is remembered if all may.
    pub(super) fn assignable_all(&mut self, from: &[Type<'a>], to: &[Type<'a>]) -> bool {
        self.trail.clear();
        let fits = from.len() == to.len() && from.iter().zip(to).all(|(from, to)| self.unify(from, to));
        if !fits {
            while let Some((variable, earlier)) = self.trail.pop() {
                self.bindings[variable] = earlier;
            }
        }
        fits
    }

    /// Whether `from` may stand in the place of `to`.
    pub(super) fn assignable(&mut self, from: &Type<'a>, to: &Type<'a>) -> bool {
        self.assignable_all(std::slice::from_ref(from), std::slice::from_ref(to))
    }

    /// The type with everything that is known of its variables.
    pub(super) fn substitute(&mut self, of: &Type<'a>) -> Type<'a> {
        if !self.take_step() {
            return Type::Unknown;
        }
        match of {
            Type::Variable(variable) => match self.bindings[*variable].clone() {
                Some(bound) => self.substitute(&bound),
                None => of.clone(),
            },
            Type::List(items) => Type::list(self.substitute(items)),
            Type::Map(keys, values) => Type::map(self.substitute(keys), self.substitute(values)),
            Type::Optional(value) => Type::optional(self.substitute(value)),
            Type::Meta(value) => Type::meta(self.substitute(value)),
            other => other.clone(),
        }
    }

    /// The wider of two types that fit each other.
    pub(super) fn most_general(&mut self, one: &Type<'a>, other: &Type<'a>) -> Type<'a> {
        if self.is_wider_or_same(one, other) { one.clone() } else { other.clone() }
    }

    /// Whether two types are the same in every part.
    pub(super) fn is_same(&mut self, one: &Type<'a>, other: &Type<'a>) -> bool {
        match (one, other) {
            (Type::Dyn, other) => matches!(other, Type::Dyn),
            (Type::Variable(one), other) => matches!(other, Type::Variable(other) if one == other),
            (_, Type::Dyn | Type::Variable(_)) => false,
            (Type::List(one), Type::List(other))
            | (Type::Optional(one), Type::Optional(other))
            | (Type::Meta(one), Type::Meta(other)) => self.take_step() && self.is_same(one, other),
            (Type::Map(one_keys, one_values), Type::Map(keys, values)) => {
                self.take_step() && self.is_same(one_keys, keys) && self.is_same(one_values, values)
            }
            (one, other) => is_same_simple(one, other),
        }
    }

    fn unify(&mut self, from: &Type<'a>, to: &Type<'a>) -> bool {
        if !self.take_step() {
            return true;
        }
        if let Type::Variable(variable) = to {
            match self.fit(from, *variable) {
                Fit::Fits => return true,
                Fit::DiffersFromBinding => return false,
                Fit::ContainsItself => {}
            }
        }
        if let Type::Variable(variable) = from {
            return self.fit(to, *variable) == Fit::Fits;
        }
        match (from, to) {
            (Type::Dyn | Type::Unknown, _) | (_, Type::Dyn | Type::Unknown) => true,
            (Type::Null, other) | (other, Type::Null) => other.is_nullable(),
            // A type is a type, whatever it is of.
            (Type::Meta(_), Type::Meta(_)) => true,
            (Type::List(from), Type::List(to)) | (Type::Optional(from), Type::Optional(to)) => {
                self.unify(from, to)
            }
            (Type::Map(from_keys, from_values), Type::Map(keys, values)) => {
                self.unify(from_keys, keys) && self.unify(from_values, values)
            }
            (from, to) => is_same_simple(from, to),
        }
    }

    /// Puts a type in the place of a variable, if it fits there.
    fn fit(&mut self, value: &Type<'a>, variable: usize) -> Fit {
        if matches!(value, Type::Variable(other) if *other == variable) {
            return Fit::Fits;
        }
        if let Some(bound) = self.bindings[variable].clone() {
            if !self.unify(value, &bound) {
                return Fit::DiffersFromBinding;
            }
            let wider = self.most_general(value, &bound);
            if !self.occurs(variable, &wider) {
                self.bind(variable, wider);
            }
            return Fit::Fits;
        }
        if self.occurs(variable, value) {
            return Fit::ContainsItself;
        }
        self.bind(variable, value.clone());
        Fit::Fits
    }

    fn bind(&mut self, variable: usize, value: Type<'a>) {
        let earlier = self.bindings[variable].replace(value);
        self.trail.push((variable, earlier));
    }

    /// Whether a variable is part of a type.
    fn occurs(&mut self, variable: usize, within: &Type<'a>) -> bool {
        if !self.take_step() {
            return true;
        }
        match within {
            Type::Variable(other) if *other == variable => true,
            Type::Variable(other) => match self.bindings[*other].clone() {
                Some(bound) => self.occurs(variable, &bound),
                None => false,
            },
            Type::List(part) | Type::Optional(part) | Type::Meta(part) => self.occurs(variable, part),
            Type::Map(keys, values) => self.occurs(variable, keys) || self.occurs(variable, values),
            _ => false,
        }
    }

    fn is_wider_or_same(&mut self, one: &Type<'a>, other: &Type<'a>) -> bool {
        match (one, other) {
            (Type::Dyn | Type::Unknown | Type::Variable(_), _) => true,
            (_, Type::Dyn | Type::Unknown | Type::Variable(_)) => false,
            (Type::Meta(_), Type::Meta(_)) => true,
            (Type::List(one), Type::List(other)) | (Type::Optional(one), Type::Optional(other)) => {
                self.take_step() && self.is_wider_or_same(one, other)
            }
            (Type::Map(one_keys, one_values), Type::Map(keys, values)) => {
                self.take_step()
                    && self.is_wider_or_same(one_keys, keys)
                    && self.is_wider_or_same(one_values, values)
            }
            (one, other) => is_same_simple(one, other),
        }
    }

    /// Whether there is a step left.
    fn take_step(&mut self) -> bool {
        self.steps_left = self.steps_left.saturating_sub(1);
        !self.is_exhausted()
    }
}

/// Whether two types without parts are the same.
fn is_same_simple(one: &Type<'_>, other: &Type<'_>) -> bool {
    match (one, other) {
        (Type::Object(one), Type::Object(other)) => {
            Rc::ptr_eq(&one.name, &other.name) || one.name == other.name
        }
        (Type::Opaque(one), Type::Opaque(other)) => one == other,
        (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}
