//! Whether a text is a quantity (`k8s.io/apimachinery/pkg/api/resource/quantity.go`). What it
//! is worth and how it is written canonically belongs to the kinds.

/// What the decoder answers for a text that does not look like a quantity.
pub(super) const WRONG_FORMAT: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// What it answers for a unit that there is not.
const WRONG_SUFFIX: &str = "unable to parse quantity's suffix";

const UNITS: [&str; 16] =
    ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// Checks `text`; the error is the decoder's message.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let suffix = unsigned.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = &unsigned[..unsigned.len() - suffix.len()];
    if !number.contains(|c: char| c.is_ascii_digit()) || number.matches('.').count() > 1 {
        return Err(WRONG_FORMAT);
    }
    let letters = suffix.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
    let exponent = letters.strip_prefix(['+', '-']).unwrap_or(letters);
    if exponent.contains(|c: char| !c.is_ascii_digit()) {
        return Err(WRONG_FORMAT);
    }
    let is_exponent = matches!(suffix.strip_prefix(['e', 'E']), Some(rest)
        if rest.strip_prefix(['+', '-']).unwrap_or(rest).parse::<u32>().is_ok());
    if is_exponent || UNITS.contains(&suffix) { Ok(()) } else { Err(WRONG_SUFFIX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_told_from_other_text() {
        for text in ["0", "1", "-1.5Gi", "+.5", "5.", "100m", "1e3", "1E-3", "12E", "1Ki", "3n"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in ["", "Gi", "lots", "1 Gi", "1.2.3", "-", "1x", "1Gi5x"] {
            assert_eq!(check(text), Err(WRONG_FORMAT), "{text}");
        }
        for text in ["1Kii", "1mm", "1K", "1e", "1Gi5"] {
            assert_eq!(check(text), Err(WRONG_SUFFIX), "{text}");
        }
    }
}
