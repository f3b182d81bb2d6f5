//! Amounts of resources: `{"cpu": 1, "memory": "1Gi"}`.

use serde_json::{Value, json};

/// Writes the amounts in the map at `pointer` as text, which a quantity is; a number
/// is one that was written without quotes (`apimachinery/pkg/api/resource`,
/// `Quantity.UnmarshalJSON`).
pub(crate) fn spell_out(object: &mut Value, pointer: &str) {
    let amounts = object.pointer_mut(pointer).and_then(Value::as_object_mut);
    for (_, amount) in amounts.into_iter().flatten() {
        if amount.is_number() {
            *amount = json!(amount.to_string());
        }
    }
}

/// The amount of one resource as it was written, or `""`.
pub(crate) fn amount(object: &Value, pointer: &str, resource: &str) -> String {
    match object.pointer(pointer).and_then(|amounts| amounts.get(resource)) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// How much a quantity is, in billionths, the finest that Kubernetes counts; `None` where it is
/// none, or too large to count.
///
/// Source: `apimachinery/pkg/api/resource/{quantity,suffix}.go`.
pub fn nanos(text: &str) -> Option<i128> {
    const ONE: i128 = 1_000_000_000;
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let unit = match suffix {
        "" => ONE,
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "k" => ONE * 1_000,
        "M" => ONE * 1_000_000,
        "G" => ONE * ONE,
        "T" => ONE * ONE * 1_000,
        "P" => ONE * ONE * 1_000_000,
        "E" => ONE * ONE * ONE,
        "Ki" => ONE << 10,
        "Mi" => ONE << 20,
        "Gi" => ONE << 30,
        "Ti" => ONE << 40,
        "Pi" => ONE << 50,
        "Ei" => ONE << 60,
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
            if exponent < 0 { ONE / power } else { ONE.checked_mul(power)? }
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    Some(digits.checked_mul(unit)? / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_counted_whatever_their_suffix() {
        let same = |a: &str, b: &str| assert_eq!(nanos(a), nanos(b), "{a} {b}");
        same("1", "1000m");
        same("0.5", "500m");
        same("1Gi", "1024Mi");
        same("1e3", "1k");
        same("1e-3", "1m");
        same("1.5Gi", "1536Mi");
        assert_eq!(nanos("1n"), Some(1));
        for wrong in ["", "x", "1x", "1e", "999999999999999999999999999999999E"] {
            assert_eq!(nanos(wrong), None, "{wrong}");
        }
    }
}
