//! What functions make, and what that takes.
//!
//! One row for each function whose result can be large or that works longer than it takes to copy
//! what it is given; follows what `kube-cel` 0.8 and `cel` 0.13 do.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{CallExpr, Expr, LiteralValue};

use super::super::amounts::Amount;
use super::super::bounds::{PRECISION_MAX, RANGE_MAX};
use super::super::runnable::FORMAT_TEXT;
use super::super::shapes::{NODE_BYTES, Shape, in_one};
use super::{Operand, Walk};

/// Functions whose names have a dot: what looks like a target is a part of the name.
const QUALIFIED: [(&str, &[&str]); 6] = [
    ("strings", &["quote"]),
    ("lists", &["range"]),
    ("sets", &["contains", "equivalent", "intersects"]),
    ("base64", &["encode", "decode"]),
    ("optional", &["of", "none", "ofNonZeroValue"]),
    ("ip", &["isCanonical"]),
];
/// A regular expression is compiled at every call, which takes about as long as this many steps.
const REGEX_STEPS: u64 = 50;
/// Bytes of a text that a regular expression looks at in one step.
const REGEX_BYTES_PER_STEP: u64 = 16;
/// Pairs of characters that `indexOf` compares in one step.
const PAIRS_PER_STEP: u64 = 64;
/// Pairs of bytes that `contains` compares in one step.
const BYTE_PAIRS_PER_STEP: u64 = 4 << 10;
/// Longest text of a number, a time or an address: the smallest double has 326 digits.
const SCALAR_TEXT_BYTES: u64 = 400;
/// Longest text of a whole number, with its sign.
const WHOLE_TEXT_BYTES: u64 = 20;
/// Bytes of text for one byte of memory of what is no text. The longest is a double, which is 64
/// bytes and has [`SCALAR_TEXT_BYTES`]; in texts of texts a control character may take 6.
const SHOWN_BYTES_PER_BYTE: u64 = 8;

impl<'a> Walk<'a> {
    pub(super) fn call(&mut self, call: &'a CallExpr) -> Shape {
        if let Some(found) = self.operator(call) {
            return found;
        }
        self.step();
        let mut name = call.func_name.clone();
        let mut expressions: Vec<&'a IdedExpr> = Vec::new();
        if let Some(target) = call.target.as_deref() {
            match &target.expr {
                Expr::Ident(prefix) if is_qualified(prefix, &name) => name = format!("{prefix}.{name}"),
                // `math.abs(x)`.
                Expr::Ident(prefix) if !self.is_variable(prefix) => {}
                _ => expressions.push(target),
            }
        }
        expressions.extend(&call.args);
        let mut operands = Vec::new();
        for expression in expressions {
            let shape = self.expression(expression);
            // The evaluator copies what it gives to a function.
            self.hold(&shape);
            self.copies(&shape);
            operands.push(Operand { expression, shape });
        }
        let made = self.made_by(&name, &operands);
        self.copies(&made);
        made
    }

    fn made_by(&mut self, name: &str, operands: &[Operand<'a>]) -> Shape {
        let n = self.n;
        let nothing = Shape::nothing();
        let of = |index: usize| operands.get(index).map_or(&nothing, |operand| &operand.shape);
        let first = of(0);
        let text = first.text_bytes();
        match name {
            "size" => {
                let most = first.count().most.max(text.most).max(first.bytes_bytes().most);
                Shape::number_up_to(most, n)
            }
            "matches" => {
                self.searches_by_regex(text);
                Shape::scalar(n)
            }
            "contains" => {
                let texts = text.or(first.bytes_bytes());
                let pairs = texts.product(of(1).text_bytes().or(of(1).bytes_bytes()));
                self.spend(pairs.per(BYTE_PAIRS_PER_STEP));
                Shape::scalar(n)
            }
            "indexOf" | "lastIndexOf" => {
                self.spend(text.product(of(1).text_bytes()).per(PAIRS_PER_STEP));
                Shape::scalar(n)
            }
            "sets.contains" | "sets.equivalent" | "sets.intersects" => {
                let (one, other) = (of(0), of(1));
                self.compares(one.count().product(other.weight()));
                self.compares(other.count().product(one.weight()));
                Shape::scalar(n)
            }
            "find" => {
                self.searches_by_regex(text);
                Shape::text(text, n)
            }
            "findAll" => {
                self.searches_by_regex(text);
                self.parts(operands, text.plus(self.each(1)), text, 2)
            }
            "split" => {
                let separator = operands.get(1).and_then(|operand| literal_text(operand.expression));
                let size = separator.map_or(0, |separator| separator.len() as u64);
                // An empty one splits between all characters and at both ends.
                let count =
                    if size == 0 { text.plus(self.each(2)) } else { text.per(size).plus(self.each(1)) };
                self.parts(operands, count, text, 2)
            }
            "join" => self.joined(first, of(1)),
            "format" => self.formatted(operands),
            "replace" => self.replaced(operands),
            "lowerAscii" | "upperAscii" | "trim" | "substring" => Shape::text(text, n),
            "charAt" => Shape::text(text.at_most(self.each(4)), n),
            "strings.quote" => Shape::text(text.times(2).plus(self.each(2)), n),
            "string" => {
                // What is no text in UTF-8 becomes characters of three bytes.
                let scalar = self.each(if first.is_text() { 0 } else { scalar_text(first) });
                Shape::text(text.or(first.bytes_bytes().times(3)).or(scalar), n)
            }
            "bytes" => Shape::bytes(text.or(first.bytes_bytes()), n),
            // Four characters for each three bytes, of which the last may be missing.
            "base64.encode" => Shape::text(first.bytes_bytes().times(2).plus(self.each(4)), n),
            "base64.decode" => Shape::bytes(text, n),
            "dyn" | FORMAT_TEXT | "slice" | "reverse" | "value" => first.clone(),
            "sort" => {
                self.compares(first.weight().times(64 - first.count().most.leading_zeros() as u64));
                first.clone()
            }
            "distinct" => {
                self.compares(first.count().product(first.weight()));
                first.clone()
            }
            "or" | "orValue" => self.merges.merge(first.clone(), of(1).clone(), n),
            "sum" | "min" | "max" | "greatest" | "least" => self.one_of(operands),
            "first" | "last" => first.entry().optional(),
            "optional.of" | "optional.ofNonZeroValue" => first.optional(),
            "lists.range" => {
                let count = self.each(first.number().min(RANGE_MAX as u64));
                Shape::list(count, Shape::number_up_to(RANGE_MAX as u64, count.total), n)
            }
            // One level or all of them: nothing is added.
            "flatten" => Shape::anything(first.weight(), n),
            // Its parts are kept beside the whole; a character may be written as `%C3%A9`.
            "url" => Shape::anything(text.times(12).plus(self.each(NODE_BYTES)), n),
            "getScheme" | "getHost" | "getHostname" | "getPort" | "getEscapedPath" => {
                Shape::text(first.weight().plus(self.each(SCALAR_TEXT_BYTES)), n)
            }
            // Each two characters may be a parameter: a key, a list, and a text in it.
            "getQuery" => Shape::anything(first.weight().times(2 * NODE_BYTES + 2), n),
            "semver" => Shape::anything(text.plus(self.each(2 * NODE_BYTES)), n),
            // Faults that may repeat the text.
            "validate" => Shape::anything(of(1).weight().times(8).plus(self.each(4 << 10)), n),
            "getFullYear" | "getMonth" | "getDayOfYear" | "getDayOfMonth" | "getDate" | "getDayOfWeek"
            | "getHours" | "getMinutes" | "getSeconds" | "getMilliseconds" | "bool" | "int" | "uint"
            | "double" | "timestamp" | "duration" | "type" | "startsWith" | "endsWith" | "hasValue"
            | "isSorted" | "quantity" | "ip" | "cidr" | "masked" | "add" | "sub" | "optional.none" => {
                Shape::scalar(n)
            }
            // What is not known here gives a scalar (`isIP`, `isGreaterThan`, …) or something of what
            // it is given.
            _ => {
                let weights = operands.iter().map(|operand| operand.shape.weight());
                Shape::anything(weights.fold(self.each(4 * NODE_BYTES), Amount::plus), n)
            }
        }
    }

    fn spend(&mut self, steps: Amount) {
        self.steps = self.steps.saturating_add(steps.total);
    }

    fn searches_by_regex(&mut self, text: Amount) {
        self.spend(text.per(REGEX_BYTES_PER_STEP).plus(self.each(REGEX_STEPS)));
    }

    /// Parts of a text, of which there may be only as many as the operand at `limit` says.
    fn parts(&mut self, operands: &[Operand<'a>], count: Amount, text: Amount, limit: usize) -> Shape {
        let limit = operands.get(limit).and_then(|operand| literal_number(operand.expression));
        let count = match limit.and_then(|limit| u64::try_from(limit).ok()) {
            Some(limit) => count.at_most(self.each(limit)),
            None => count,
        };
        let list = Shape::list(count, Shape::text(text, count.total), self.n);
        // The parts of one text are together as long as it is.
        list.lighter(text.plus(count.times(NODE_BYTES)).plus(self.each(NODE_BYTES)))
    }

    fn joined(&mut self, list: &Shape, separator: &Shape) -> Shape {
        let items = list.entries();
        let (count, of_items) = (list.count(), items.text_bytes());
        let all = if items.is_text() {
            // Everything in a list weighs no more than it.
            in_one(count, of_items).at_most(list.weight())
        } else {
            list.weight().times(SHOWN_BYTES_PER_BYTE)
        };
        Shape::text(all.plus(count.product(separator.text_bytes())), self.n)
    }

    /// `text.format([…])`: each argument is written once.
    fn formatted(&mut self, operands: &[Operand<'a>]) -> Shape {
        let [text, arguments, ..] = operands else { return Shape::text(self.each(0), self.n) };
        let list = &arguments.shape;
        let items = list.entries();
        // `%x` writes a byte as two digits.
        let texts = list.weight().times(2);
        let of_others = if items.is_text() {
            Amount::default()
        } else {
            let shown = items.is_composite() || items.bytes_bytes().most > 0;
            let of_parts = if shown { list.weight().times(SHOWN_BYTES_PER_BYTE) } else { Amount::default() };
            of_parts.plus(list.count().times(scalar_text(&items)))
        };
        let digits = match literal_of_format(text.expression) {
            Some(text) if !text.contains("%.") => Amount::default(),
            _ => list.count().times(PRECISION_MAX as u64),
        };
        let of_text = text.shape.text_bytes();
        Shape::text(of_text.plus(texts).plus(of_others).plus(digits), self.n)
    }

    /// `text.replace(from, to)`: a longer text where `to` is longer than `from`.
    fn replaced(&mut self, operands: &[Operand<'a>]) -> Shape {
        let [text, from, to, ..] = operands else { return Shape::text(self.each(0), self.n) };
        let (text, to) = (text.shape.text_bytes(), to.shape.text_bytes());
        let size = literal_text(from.expression).map_or(0, |from| from.len() as u64);
        let places = if size == 0 { text.plus(self.each(1)) } else { text.per(size) };
        let is_shorter = size > 0 && to.most <= size;
        let added = if is_shorter { Amount::default() } else { places.product(to) };
        Shape::text(text.plus(added), self.n)
    }

    /// One of the arguments, or an item of a list.
    fn one_of(&mut self, operands: &[Operand<'a>]) -> Shape {
        let mut found = Shape::scalar(self.n);
        for operand in operands {
            found = self.merges.merge(found, operand.shape.clone(), self.n);
            found = self.merges.merge(found, operand.shape.entry(), self.n);
        }
        found
    }
}

/// Longest text of those values that have no parts.
fn scalar_text(values: &Shape) -> u64 {
    // Of what is no whole number the value is not known.
    if values.number() == u64::MAX { SCALAR_TEXT_BYTES } else { WHOLE_TEXT_BYTES }
}

fn is_qualified(prefix: &str, name: &str) -> bool {
    QUALIFIED.iter().any(|(known, names)| *known == prefix && names.contains(&name))
}

/// The text that is written out.
pub(super) fn literal_text(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn literal_number(expression: &IdedExpr) -> Option<i64> {
    match &expression.expr {
        Expr::Literal(LiteralValue::Int(number)) => Some(*number.inner()),
        _ => None,
    }
}

/// The text of `format` that is written out.
fn literal_of_format(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Call(call) if call.func_name == FORMAT_TEXT => literal_text(call.args.first()?),
        _ => literal_text(expression),
    }
}
