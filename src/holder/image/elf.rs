//! What an ELF file says of the loader and of libraries, and nothing else
//! (<https://gabi.xinuos.com/elf/>, elf(5)). Pure.
//!
//! Only files of 64 bits and little endian, as x86-64 and arm64 have them. A hundred lines, since
//! of all that a crate for object files reads we want one table; each number in a file is taken for
//! wrong until it is shown to lie within the file.

use std::io::{Read, Seek, SeekFrom};

/// A linker makes some ten of them.
const PROGRAM_HEADERS_MAX: u64 = 512;

/// Of 16 bytes for each entry; an executable of ours has some 30.
const DYNAMIC_MAX_BYTES: u64 = 64 * 1024;

/// `PATH_MAX`, and a search path of several.
const STRING_MAX_BYTES: u64 = 16 * 1024;

const PROGRAM_HEADER_BYTES: usize = 56;
const DYNAMIC_ENTRY_BYTES: usize = 16;

/// Segments: what is loaded, the dynamic table, the loader's path.
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;

/// Entries of the dynamic table.
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// What a file needs. Names and paths are bytes, as the kernel has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Elf {
    /// Whose instructions it has; libraries for others are passed over.
    pub(super) machine: u16,
    /// The loader; `None` for libraries and for what is linked statically.
    pub(super) interpreter: Option<Vec<u8>>,
    /// Names of libraries.
    pub(super) needed: Vec<Vec<u8>>,
    /// Where they are looked for, also those of libraries; counts where there is no `runpath`.
    pub(super) rpath: Option<Vec<u8>>,
    /// Where they are looked for.
    pub(super) runpath: Option<Vec<u8>>,
}

/// Why a file says nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ElfError {
    #[error("it is no ELF file")]
    NoElf,
    #[error("ELF files other than those of 64 bits, little endian, are not supported")]
    NotSupported,
    #[error("{0}")]
    Broken(&'static str),
    #[error(transparent)]
    Read(std::io::Error),
}

/// A segment: where it is in the file, how long, and where in memory.
#[derive(Clone, Copy, Debug)]
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    n_bytes: u64,
}

// === impl Elf ===

impl Elf {
    /// Reads the tables that name libraries.
    pub(super) fn read(file: &mut (impl Read + Seek)) -> Result<Self, ElfError> {
        let head = match bytes_at(file, 0, 64) {
            Err(ElfError::Read(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(ElfError::NoElf);
            }
            other => other?,
        };
        if !head.starts_with(b"\x7fELF") {
            return Err(ElfError::NoElf);
        }
        if (head[4], head[5]) != (2, 1) || usize::from(u16_at(&head, 54)) != PROGRAM_HEADER_BYTES {
            return Err(ElfError::NotSupported);
        }
        let segments = segments(file, u64_at(&head, 32), u64::from(u16_at(&head, 56)))?;
        let mut elf = Self { machine: u16_at(&head, 18), ..Self::default() };
        for segment in &segments {
            match segment.kind {
                PT_INTERP => elf.interpreter = Some(string_at(file, segment.offset, segment.n_bytes)?),
                PT_DYNAMIC => elf.read_dynamic(file, *segment, &segments)?,
                _ => {}
            }
        }
        Ok(elf)
    }

    fn read_dynamic(
        &mut self,
        file: &mut (impl Read + Seek),
        dynamic: Segment,
        segments: &[Segment],
    ) -> Result<(), ElfError> {
        if dynamic.n_bytes > DYNAMIC_MAX_BYTES {
            return Err(ElfError::Broken("its dynamic table is too long"));
        }
        let table = bytes_at(file, dynamic.offset, dynamic.n_bytes)?;
        let entries =
            table.chunks_exact(DYNAMIC_ENTRY_BYTES).map(|entry| (u64_at(entry, 0), u64_at(entry, 8)));
        let entries: Vec<(u64, u64)> = entries.take_while(|(tag, _)| *tag != DT_NULL).collect();
        let value = |tag| entries.iter().find(|(other, _)| *other == tag).map(|(_, value)| *value);
        // Nothing is named without names.
        let (Some(address), Some(n_bytes)) = (value(DT_STRTAB), value(DT_STRSZ)) else { return Ok(()) };
        let strings =
            offset_of(address, segments).ok_or(ElfError::Broken("its strings are not in the file"))?;
        for (tag, at) in &entries {
            let mut string = || {
                let left =
                    n_bytes.checked_sub(*at).ok_or(ElfError::Broken("a name is behind its strings"))?;
                string_at(file, strings.checked_add(*at).ok_or(OVERFLOW)?, left)
            };
            match *tag {
                DT_NEEDED => self.needed.push(string()?),
                DT_RPATH => self.rpath = Some(string()?),
                DT_RUNPATH => self.runpath = Some(string()?),
                _ => {}
            }
        }
        Ok(())
    }
}

const OVERFLOW: ElfError = ElfError::Broken("an offset is too large");

fn segments(file: &mut (impl Read + Seek), offset: u64, n_headers: u64) -> Result<Vec<Segment>, ElfError> {
    if n_headers > PROGRAM_HEADERS_MAX {
        return Err(ElfError::Broken("it has too many program headers"));
    }
    let table = bytes_at(file, offset, n_headers * PROGRAM_HEADER_BYTES as u64)?;
    let segments = table.chunks_exact(PROGRAM_HEADER_BYTES).map(|header| Segment {
        kind: u32_at(header, 0),
        offset: u64_at(header, 8),
        address: u64_at(header, 16),
        n_bytes: u64_at(header, 32),
    });
    Ok(segments.collect())
}

/// Where in the file lies what is at an address in memory.
fn offset_of(address: u64, segments: &[Segment]) -> Option<u64> {
    let loaded = segments.iter().filter(|segment| segment.kind == PT_LOAD);
    loaded.into_iter().find_map(|segment| {
        let within = address.checked_sub(segment.address)?;
        (within < segment.n_bytes).then(|| segment.offset.checked_add(within))?
    })
}

/// Exactly so many bytes, which the caller has bounded.
fn bytes_at(file: &mut (impl Read + Seek), offset: u64, n_bytes: u64) -> Result<Vec<u8>, ElfError> {
    let n_bytes = usize::try_from(n_bytes).map_err(|_| OVERFLOW)?;
    let mut bytes = vec![0; n_bytes];
    file.seek(SeekFrom::Start(offset)).map_err(ElfError::Read)?;
    file.read_exact(&mut bytes).map_err(ElfError::Read)?;
    Ok(bytes)
}

/// What comes before the first zero, which has to be within `left`.
fn string_at(file: &mut (impl Read + Seek), offset: u64, left: u64) -> Result<Vec<u8>, ElfError> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset)).map_err(ElfError::Read)?;
    file.take(left.min(STRING_MAX_BYTES)).read_to_end(&mut bytes).map_err(ElfError::Read)?;
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(end.ok_or(ElfError::Broken("a name has no end"))?);
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|nth| bytes[at + nth]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|nth| bytes[at + nth]))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    const MACHINE: u16 = 62;
    /// Where the made-up files are in memory.
    const BASE: u64 = 0x40_0000;

    /// A file with just the tables that are read.
    fn file(elf: &Elf) -> Vec<u8> {
        let mut strings = vec![0];
        let mut named = |name: &[u8]| {
            let at = strings.len() as u64;
            strings.extend_from_slice(name);
            strings.push(0);
            at
        };
        let mut dynamic: Vec<(u64, u64)> = elf.needed.iter().map(|name| (DT_NEEDED, named(name))).collect();
        dynamic.extend(elf.rpath.iter().map(|path| (DT_RPATH, named(path))));
        dynamic.extend(elf.runpath.iter().map(|path| (DT_RUNPATH, named(path))));
        let interpreter = elf.interpreter.as_ref().map(|path| named(path));
        let n_headers = 2 + u64::from(interpreter.is_some());
        let strings_at = 64 + n_headers * 56;
        let dynamic_at = strings_at + strings.len() as u64;
        dynamic.extend([(DT_STRTAB, BASE + strings_at), (DT_STRSZ, strings.len() as u64), (DT_NULL, 0)]);
        let end = dynamic_at + 16 * dynamic.len() as u64;
        let mut headers = vec![(PT_LOAD, 0, end), (PT_DYNAMIC, dynamic_at, end - dynamic_at)];
        headers.extend(interpreter.map(|at| (PT_INTERP, strings_at + at, strings.len() as u64 - at)));

        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[18..20].copy_from_slice(&elf.machine.to_le_bytes());
        bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
        bytes[54..56].copy_from_slice(&56_u16.to_le_bytes());
        bytes[56..58].copy_from_slice(&u16::try_from(n_headers).unwrap().to_le_bytes());
        for (kind, offset, n_bytes) in headers {
            bytes.extend_from_slice(&kind.to_le_bytes());
            bytes.extend_from_slice(&[0; 4]);
            for word in [offset, BASE + offset, 0, n_bytes, n_bytes, 0] {
                bytes.extend_from_slice(&word.to_le_bytes());
            }
        }
        bytes.extend_from_slice(&strings);
        for (tag, value) in dynamic {
            bytes.extend_from_slice(&tag.to_le_bytes());
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    fn names() -> impl Strategy<Value = Elf> {
        let name = || proptest::collection::vec(1_u8.., 0..30);
        let needed = proptest::collection::vec(name(), 0..5);
        let optional = || proptest::option::of(name());
        (optional(), needed, optional(), optional()).prop_map(|(interpreter, needed, rpath, runpath)| Elf {
            machine: MACHINE,
            interpreter,
            needed,
            rpath,
            runpath,
        })
    }

    #[test]
    fn what_is_no_program_is_said() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(Elf::read(&mut Cursor::new(bytes)).unwrap_err().to_string(), expected);
        };
        check(b"", "it is no ELF file");
        check(&[b'#'; 64], "it is no ELF file");
        let mut of_32_bits = file(&Elf::default());
        of_32_bits[4] = 1;
        check(&of_32_bits, "ELF files other than those of 64 bits, little endian, are not supported");
        let mut many = file(&Elf::default());
        many[56..58].copy_from_slice(&[0xff, 0xff]);
        check(&many, "it has too many program headers");
    }

    proptest! {
        #[test]
        fn what_a_file_names_is_read(elf in names()) {
            prop_assert_eq!(Elf::read(&mut Cursor::new(file(&elf))).unwrap(), elf);
        }

        #[test]
        fn no_broken_file_panics(
            elf in names(),
            spoilt in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = file(&elf);
            for (at, byte) in spoilt {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = Elf::read(&mut Cursor::new(&bytes));
            bytes.truncate(cut.index(bytes.len()));
            let _ = Elf::read(&mut Cursor::new(&bytes));
        }
    }
}
