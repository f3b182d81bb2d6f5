//! Functions of the extensions that Kubernetes turns on: texts and sets.
//!
//! Follows `ext/strings.go` (version 2) and `ext/sets.go` of `github.com/google/cel-go`;
//! Kubernetes' choice is `k8s.io/apiserver/pkg/cel/environment/base.go`.

use super::Shape::{self, A, Bool, Dyn, Int, String};
use super::{Overload, global, member};

const LIST: Shape = Shape::List(&A);
const STRINGS: Shape = Shape::List(&String);

pub(super) const OVERLOADS: &[Overload] = &[
    member("charAt", &[String, Int], String),
    member("format", &[String, Shape::List(&Dyn)], String),
    member("indexOf", &[String, String], Int),
    member("indexOf", &[String, String, Int], Int),
    member("join", &[STRINGS], String),
    member("join", &[STRINGS, String], String),
    member("lastIndexOf", &[String, String], Int),
    member("lastIndexOf", &[String, String, Int], Int),
    member("lowerAscii", &[String], String),
    member("replace", &[String, String, String], String),
    member("replace", &[String, String, String, Int], String),
    member("split", &[String, String], STRINGS),
    member("split", &[String, String, Int], STRINGS),
    member("substring", &[String, Int], String),
    member("substring", &[String, Int, Int], String),
    member("trim", &[String], String),
    member("upperAscii", &[String], String),
    global("strings.quote", &[String], String),
    global("sets.contains", &[LIST, LIST], Bool),
    global("sets.equivalent", &[LIST, LIST], Bool),
    global("sets.intersects", &[LIST, LIST], Bool),
];
