//! The loader's list of libraries, `/etc/ld.so.cache`: a table of names and paths, behind one of an
//! older format or not (glibc, `sysdeps/generic/dl-cache.h`). Pure.

/// With which the table begins, and the older one before it.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";

/// Of the head and of an entry: kind, name, path, version of the system, what the processor has to
/// be able to.
const HEAD_BYTES: usize = 48;
const ENTRY_BYTES: usize = 24;

/// The paths under a name, in the loader's order. Those for particular processors are left out:
/// there is always one for all.
pub(super) fn paths<'a>(cache: &'a [u8], name: &[u8]) -> Vec<&'a [u8]> {
    let Some(table) = table(cache) else { return Vec::new() };
    let n_entries = u32_at(table, 20).unwrap_or(0) as usize;
    let entries = table.get(HEAD_BYTES..).unwrap_or_default().chunks_exact(ENTRY_BYTES).take(n_entries);
    let found = entries.filter_map(|entry| {
        let for_all = entry[16..] == [0; 8];
        let its_name = string_at(table, u32_at(entry, 4)?)?;
        (for_all && its_name == name).then(|| string_at(table, u32_at(entry, 8)?))?
    });
    found.collect()
}

/// Positions count from where this begins.
fn table(cache: &[u8]) -> Option<&[u8]> {
    if cache.starts_with(MAGIC) {
        return Some(cache);
    }
    if !cache.starts_with(OLD_MAGIC) {
        return None;
    }
    // Its entries have 12 bytes, and the next table begins at a multiple of 8.
    let old = 16_usize.checked_add((u32_at(cache, 12)? as usize).checked_mul(12)?)?;
    let table = cache.get(old.checked_next_multiple_of(8)?..)?;
    table.starts_with(MAGIC).then_some(table)
}

fn string_at(table: &[u8], at: u32) -> Option<&[u8]> {
    table.get(at as usize..)?.split(|byte| *byte == 0).next()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cache(entries: &[(&str, &str, u64)]) -> Vec<u8> {
        let mut strings = Vec::new();
        let mut table = MAGIC.to_vec();
        table.extend_from_slice(&u32::try_from(entries.len()).unwrap().to_ne_bytes());
        table.resize(HEAD_BYTES, 0);
        let strings_at = HEAD_BYTES + entries.len() * ENTRY_BYTES;
        for (name, path, hardware) in entries {
            table.extend_from_slice(&0x0303_u32.to_ne_bytes());
            for text in [name, path] {
                table.extend_from_slice(&u32::try_from(strings_at + strings.len()).unwrap().to_ne_bytes());
                strings.extend_from_slice(text.as_bytes());
                strings.push(0);
            }
            table.extend_from_slice(&[0; 4]);
            table.extend_from_slice(&hardware.to_ne_bytes());
        }
        [table, strings].concat()
    }

    fn example() -> Vec<u8> {
        cache(&[
            ("libx.so.1", "/usr/lib/glibc-hwcaps/x86-64-v3/libx.so.1", 1 << 62),
            ("libx.so.1", "/usr/local/lib/libx.so.1", 0),
            ("liby.so.1", "/usr/lib/liby.so.1", 0),
            ("libx.so.1", "/usr/lib/libx.so.1", 0),
        ])
    }

    #[test]
    fn a_name_has_its_paths_in_order() {
        let check = |cache: &[u8]| {
            let found = paths(cache, b"libx.so.1");
            assert_eq!(found, [&b"/usr/local/lib/libx.so.1"[..], b"/usr/lib/libx.so.1"]);
            assert_eq!(paths(cache, b"libx.so"), Vec::<&[u8]>::new());
        };
        check(&example());
        let mut behind_old = OLD_MAGIC.to_vec();
        behind_old.push(0);
        behind_old.extend_from_slice(&1_u32.to_ne_bytes());
        behind_old.resize(32, 0);
        behind_old.extend_from_slice(&example());
        check(&behind_old);
    }

    proptest! {
        #[test]
        fn no_broken_cache_panics(
            spoilt in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = example();
            for (at, byte) in spoilt {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            paths(&bytes, b"libx.so.1");
            paths(&bytes[..cut.index(bytes.len())], b"libx.so.1");
        }
    }
}
