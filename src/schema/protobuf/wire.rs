//! The wire format: keys, numbers and blocks; what they mean is others' business.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use super::Fault;

/// The highest field number: 29 bits (the same page, "Message Structure").
const FIELD_NUMBER_MAX: u64 = (1 << 29) - 1;

/// How a field is written, by the number in its key.
pub(super) const VARINT: u8 = 0;
pub(super) const FIXED64: u8 = 1;
pub(super) const BLOCK: u8 = 2;
const FIXED32: u8 = 5;

/// What stands before each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) number: u32,
    pub(super) wire: u8,
}

/// A fault and how many bytes come before it.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) offset: usize,
    pub(super) fault: Fault,
}

/// Reads one message from its start to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// How many bytes of the whole input come before `rest`.
    offset: usize,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes, offset: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field's key.
    pub(super) fn key(&mut self) -> Result<Key, Broken> {
        let offset = self.offset;
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number > FIELD_NUMBER_MAX {
            return Err(Broken { offset, fault: Fault::FieldNumber(number) });
        }
        let number = u32::try_from(number).expect("29 bits fit");
        Ok(Key { number, wire: u8::try_from(key & 7).expect("3 bits fit") })
    }

    /// A number of up to 64 bits, seven to a byte, the lowest first.
    pub(super) fn varint(&mut self) -> Result<u64, Broken> {
        let offset = self.offset;
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Broken { offset, fault: Fault::LongNumber })
    }

    /// Eight bytes, the lowest first.
    pub(super) fn fixed64(&mut self) -> Result<[u8; 8], Broken> {
        Ok(self.take(8)?.try_into().expect("eight bytes were taken"))
    }

    /// What stands behind its length: text, bytes, a message.
    pub(super) fn block(&mut self) -> Result<Reader<'a>, Broken> {
        let length = self.varint()?;
        let offset = self.offset;
        Ok(Reader { rest: self.take(length)?, offset })
    }

    /// Everything that is left.
    pub(super) fn bytes(self) -> &'a [u8] {
        self.rest
    }

    /// Leaves out a field that nobody knows.
    pub(super) fn skip(&mut self, wire: u8) -> Result<(), Broken> {
        match wire {
            VARINT => self.varint().map(drop),
            FIXED64 => self.take(8).map(drop),
            BLOCK => self.block().map(drop),
            FIXED32 => self.take(4).map(drop),
            _ => Err(self.broken(Fault::UnknownWireType(wire))),
        }
    }

    /// Checks that a field is written as its type is.
    pub(super) fn expect(&self, found: u8, wanted: u8) -> Result<(), Broken> {
        match found {
            _ if found == wanted => Ok(()),
            VARINT | FIXED64 | BLOCK | FIXED32 => Err(self.broken(Fault::WireType { found, wanted })),
            _ => Err(self.broken(Fault::UnknownWireType(found))),
        }
    }

    pub(super) fn broken(&self, fault: Fault) -> Broken {
        Broken { offset: self.offset, fault }
    }

    fn take(&mut self, wanted: u64) -> Result<&'a [u8], Broken> {
        let left = self.rest.len();
        let split = usize::try_from(wanted).ok().and_then(|length| self.rest.split_at_checked(length));
        let Some((taken, rest)) = split else {
            return Err(self.broken(Fault::Truncated { wanted, left }));
        };
        self.rest = rest;
        self.offset += taken.len();
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_varint(bytes: &[u8], wanted: Result<u64, Fault>) {
        assert_eq!(Reader::new(bytes).varint().map_err(|broken| broken.fault), wanted, "{bytes:?}");
    }

    #[test]
    fn numbers_have_at_most_64_bits() {
        check_varint(&[0], Ok(0));
        check_varint(&[0x96, 0x01], Ok(150));
        let mut most = [0xff; 10];
        most[9] = 1;
        check_varint(&most, Ok(u64::MAX));
        most[9] = 2;
        check_varint(&most, Err(Fault::LongNumber));
        check_varint(&[0x80; 11], Err(Fault::LongNumber));
        check_varint(&[0x80; 3], Err(Fault::Truncated { wanted: 1, left: 0 }));
    }

    #[test]
    fn a_length_beyond_the_end_is_refused_whatever_its_size() {
        for length in [&[4][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]] {
            let bytes = [length, b"abc"].concat();
            let broken = Reader::new(&bytes).block().unwrap_err();
            assert!(matches!(broken.fault, Fault::Truncated { left: 3, .. }), "{broken:?}");
            assert_eq!(broken.offset, length.len());
        }
    }

    #[test]
    fn keys_hold_a_field_number_and_a_wire_type() {
        assert_eq!(Reader::new(&[0x12]).key().unwrap(), Key { number: 2, wire: BLOCK });
        let broken = Reader::new(&[0x02]).key().unwrap_err();
        assert_eq!(broken.fault, Fault::FieldNumber(0));
        let broken = Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x10]).key().unwrap_err();
        assert_eq!(broken.fault, Fault::FieldNumber(1 << 29));
    }

    #[test]
    fn unknown_fields_are_left_out_unless_they_are_groups() {
        for (wire, bytes) in [(VARINT, &[1][..]), (FIXED64, &[0; 8]), (BLOCK, &[1, 0]), (FIXED32, &[0; 4])] {
            let mut reader = Reader::new(bytes);
            reader.skip(wire).unwrap();
            assert!(reader.is_done());
        }
        for wire in [3, 4, 6, 7] {
            assert_eq!(Reader::new(&[0]).skip(wire).unwrap_err().fault, Fault::UnknownWireType(wire));
        }
    }
}
