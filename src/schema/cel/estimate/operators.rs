//! What operators make, and what that takes.

use kube_cel::cel::common::ast::CallExpr;
use kube_cel::cel::common::ast::operators::{
    ADD, CONDITIONAL, DIVIDE, EQUALS, GREATER, GREATER_EQUALS, IN, INDEX, LESS, LESS_EQUALS, LOGICAL_AND,
    LOGICAL_NOT, LOGICAL_OR, MODULO, MULTIPLY, NEGATE, NOT_EQUALS, NOT_STRICTLY_FALSE, SUBSTRACT,
};

use super::super::amounts::Amount;
use super::super::shapes::Shape;
use super::Walk;
use super::calls::literal_text;

impl<'a> Walk<'a> {
    /// An operator; `None` for what is none.
    pub(super) fn operator(&mut self, call: &'a CallExpr) -> Option<Shape> {
        let found = match (call.func_name.as_str(), call.args.as_slice()) {
            (CONDITIONAL, [condition, one, other]) => {
                self.step();
                self.operand(condition);
                let before = std::mem::take(&mut self.steps);
                let one = self.expression(one);
                let of_one = std::mem::take(&mut self.steps);
                let other = self.expression(other);
                // One of them is evaluated.
                self.steps = before.saturating_add(of_one.max(self.steps));
                self.merges.merge(one, other, self.n)
            }
            (INDEX, [value, key]) => {
                self.step();
                let value = self.operand(value);
                self.operand(key);
                match literal_text(key) {
                    Some(name) => value.field(name, &mut self.merges),
                    None => value.entry(),
                }
            }
            (ADD, [one, other]) => {
                self.step();
                let (one, other) = (self.operand(one), self.operand(other));
                let sum = self.sum(&one, &other);
                self.copies(&sum);
                sum
            }
            (EQUALS | NOT_EQUALS | LESS | LESS_EQUALS | GREATER | GREATER_EQUALS, [one, other]) => {
                self.step();
                let (one, other) = (self.operand(one), self.operand(other));
                self.compares(one.weight().at_most(other.weight()));
                Shape::scalar(self.n)
            }
            (IN, [item, range]) => {
                self.step();
                let (item, range) = (self.operand(item), self.operand(range));
                let each = range.count().product(item.weight());
                self.compares(range.weight().at_most(each));
                Shape::scalar(self.n)
            }
            (LOGICAL_AND | LOGICAL_OR, [one, other]) => {
                self.step();
                self.expression(one);
                self.expression(other);
                Shape::scalar(self.n)
            }
            (LOGICAL_NOT | NOT_STRICTLY_FALSE, [one]) => {
                self.step();
                self.expression(one);
                Shape::scalar(self.n)
            }
            (NEGATE, [one]) => {
                self.step();
                let one = self.expression(one);
                Shape::number_up_to(one.number(), self.n)
            }
            (operator @ (SUBSTRACT | MULTIPLY | DIVIDE | MODULO), [one, other]) => {
                self.step();
                let (one, other) = (self.operand(one).number(), self.operand(other).number());
                let number = match operator {
                    SUBSTRACT => one.saturating_add(other),
                    MULTIPLY => one.saturating_mul(other),
                    // Of doubles it can be larger.
                    _ => u64::MAX,
                };
                Shape::number_up_to(number, self.n)
            }
            _ => return None,
        };
        Some(found)
    }

    /// `one + other`: texts and lists one after the other, numbers, times.
    fn sum(&mut self, one: &Shape, other: &Shape) -> Shape {
        let is_plain = |shape: &Shape| !shape.is_composite();
        let is_list = |shape: &Shape| {
            shape.is_composite() && shape.text_bytes().most == 0 && shape.bytes_bytes().most == 0
        };
        if one.is_text() && other.is_text() {
            return Shape::text(one.text_bytes().plus(other.text_bytes()), self.n);
        }
        if is_plain(one) && is_plain(other) {
            let sum = Shape::number_up_to(one.number().saturating_add(other.number()), self.n);
            let texts = one.text_bytes().plus(other.text_bytes());
            let bytes = one.bytes_bytes().plus(other.bytes_bytes());
            let sum = if texts.most == 0 { sum } else { self.merged(sum, Shape::text(texts, self.n)) };
            return if bytes.most == 0 { sum } else { self.merged(sum, Shape::bytes(bytes, self.n)) };
        }
        if is_list(one) && is_list(other) {
            let count = one.count().plus(other.count());
            let added = other.looped_over(&mut self.merges);
            let items = self.merges.merge(one.entries(), added, count.total);
            // More than both have together there is not, though the largest item may be in either.
            let both = one.weight().plus(other.weight());
            return Shape::list(count, items, self.n).lighter(both);
        }
        Shape::anything(one.weight().plus(other.weight()), self.n)
    }

    fn merged(&mut self, one: Shape, other: Shape) -> Shape {
        self.merges.merge(one, other, self.n)
    }

    /// An amount that each evaluation has.
    pub(super) fn each(&self, amount: u64) -> Amount {
        Amount::each(amount, self.n)
    }
}
