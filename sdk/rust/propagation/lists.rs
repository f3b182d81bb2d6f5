//! Merging of the list headers `baggage` and `tracestate`, byte by byte: neither
//! has quoting, so a comma always ends a member. Leaves percent-encoding alone,
//! because a member is passed on as it came.

/// Counted as a separator between two members.
const COMMA: usize = 1;

/// The members of a header that may be sent as several lines.
pub(super) fn members<'a>(lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    lines
        .flat_map(|line| line.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// The name of one member: what stands before `=`.
pub(super) fn name(member: &[u8]) -> &[u8] {
    let end = member.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(member.len());
    member[..end].trim_ascii()
}

/// What has to be added to `present` so that it also holds `wanted`: the members
/// whose names it lacks, in their order, as one line. Members beyond the bounds
/// are left out whole, last first. `None` where nothing is to be added.
pub(super) fn missing(
    present: &[&[u8]],
    wanted: &[&[u8]],
    members_max: usize,
    bytes_max: usize,
) -> Option<Vec<u8>> {
    let mut n_members = present.len();
    let mut n_bytes: usize = present.iter().map(|member| member.len() + COMMA).sum();
    let mut line = Vec::new();
    for &member in wanted {
        if present.iter().any(|other| name(other) == name(member)) {
            continue;
        }
        if n_members >= members_max || n_bytes + member.len() > bytes_max {
            break;
        }
        if !line.is_empty() {
            line.push(b',');
        }
        line.extend_from_slice(member);
        n_members += 1;
        n_bytes += member.len() + COMMA;
    }
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&[u8]> {
        members([text.as_bytes()].into_iter()).collect()
    }

    fn check(present: &str, wanted: &str, expected: Option<&str>) {
        let line = missing(&split(present), &split(wanted), 4, 40);
        assert_eq!(
            line.map(|line| String::from_utf8(line).unwrap()).as_deref(),
            expected,
            "`{present}` with `{wanted}`"
        );
    }

    #[test]
    fn only_members_with_a_new_name_are_added() {
        check("", "", None);
        check("", "a=1,b=2", Some("a=1,b=2"));
        check("a=9", "a=1, b=2;ttl=5", Some("b=2;ttl=5"));
        check("a;p=1", "a=1", None);
    }

    #[test]
    fn a_member_over_the_bounds_is_left_out_whole() {
        check("a=1,b=2,c=3", "d=4,e=5", Some("d=4"));
        check("a=1,b=2,c=3,d=4,e=5", "f=6", None);
        check("a=1", "long=0123456789012345678901234567890123", None);
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines: [&[u8]; 2] = [b"a=1, ,b=2", b" c=3 "];
        let found: Vec<_> = members(lines.into_iter()).collect();
        assert_eq!(found, [b"a=1", b"b=2", b"c=3"]);
    }
}
