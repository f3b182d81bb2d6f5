//! Kubernetes' quantities as numbers: `100m`, `1.5Gi`.

/// One, in billionths.
pub const ONE: i128 = 1_000_000_000;

/// How much a quantity is, in billionths, the finest that Kubernetes counts; `None` where it is
/// none, or too large to count.
///
/// Source: `apimachinery/pkg/api/resource/{quantity,suffix}.go`.
#[must_use]
pub fn nanos(text: &str) -> Option<i128> {
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

/// Billionths of a core as a quantity in the form that Kubernetes gives back: the largest unit that
/// leaves no fraction.
///
/// Source: `apimachinery/pkg/api/resource/quantity.go`, `CanonicalizeBytes`.
#[must_use]
pub fn of_nanos(nanos: u64) -> String {
    in_units(nanos, 1000, &["n", "u", "m", "", "k", "M", "G"])
}

/// Bytes as a quantity, likewise, with units of 1024.
#[must_use]
pub fn of_bytes(bytes: u64) -> String {
    in_units(bytes, 1024, &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
}

/// Any number, likewise, with units of 1000.
#[must_use]
pub fn of_number(number: u64) -> String {
    in_units(number, 1000, &["", "k", "M", "G", "T", "P", "E"])
}

fn in_units(number: u64, step: u64, units: &[&str]) -> String {
    let (mut number, mut left) = (number, units.iter());
    let mut unit = left.next().copied().unwrap_or_default();
    if number == 0 {
        return "0".to_owned();
    }
    while number.is_multiple_of(step)
        && let Some(next) = left.next()
    {
        number /= step;
        unit = next;
    }
    format!("{number}{unit}")
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
        for (nanos, wanted) in
            [(0, "0"), (1, "1n"), (1_500_000, "1500u"), (250_000_000, "250m"), (3_000_000_000, "3")]
        {
            assert_eq!(of_nanos(nanos), wanted);
        }
        for (bytes, wanted) in
            [(0, "0"), (1023, "1023"), (126_976, "124Ki"), (1 << 20, "1Mi"), (3 << 30, "3Gi")]
        {
            assert_eq!(of_bytes(bytes), wanted);
        }
        for wrong in ["", "x", "1x", "1e", "999999999999999999999999999999999E"] {
            assert_eq!(nanos(wrong), None, "{wrong}");
        }
    }
}
