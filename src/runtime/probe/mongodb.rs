//! MongoDB: `hello` in one OP_MSG,
//! <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#op_msg> and
//! <https://www.mongodb.com/docs/manual/reference/command/hello/>.
//!
//! A server alone, a router and a member of a replica set that serves as primary, secondary
//! or arbiter are up. A member that starts, recovers or belongs to no set yet is not.

use bytes::Buf;

use super::exchange::{Exchange, shown, told};

/// `{ hello: 1, $db: "admin" }` as BSON (<https://bsonspec.org/spec.html>) in section 0, behind
/// a header of length, request 1, no answer, opcode 2013, and no flags.
const HELLO: &[u8] = b"\x34\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\
    \x1f\0\0\0\x10hello\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0";

/// The answer names the members of a set, of which there are at most 50; 64 KiB are far
/// more than their names can have.
const MESSAGE_MAX_BYTES: usize = 64 * 1024;

/// Header, flags and the kind of the section.
const HEAD_BYTES: usize = 21;

const OP_MSG: i32 = 2013;

/// What is shown of an error or a name.
const TEXT_MAX_CHARS: usize = 300;

/// What an answer says that matters here.
#[derive(Debug, Default)]
struct Hello {
    is_ok: bool,
    is_primary: bool,
    is_secondary: bool,
    is_arbiter: bool,
    /// A member of a set that has not been told which: `isreplicaset`.
    is_uninitiated: bool,
    set: Option<String>,
    error: Option<String>,
}

pub(super) async fn ask(server: &mut Exchange) -> Result<String, String> {
    server.send(HELLO).await?;
    let head = server.read::<HEAD_BYTES>().await?;
    let mut fields = &head[..];
    let (length, _id, answers, opcode) =
        (fields.get_i32_le(), fields.get_i32_le(), fields.get_i32_le(), fields.get_i32_le());
    let section = head[HEAD_BYTES - 1];
    let rest = usize::try_from(length).ok().and_then(|length| length.checked_sub(HEAD_BYTES));
    let (Some(rest), OP_MSG, 1, 0) = (rest, opcode, answers, section) else {
        return Err(format!("wanted OP_MSG, found {}", shown(&head)));
    };
    let document = server.read_up_to(rest, MESSAGE_MAX_BYTES).await?;
    let hello = read(&document).ok_or_else(|| format!("wanted a document, found {}", shown(&document)))?;
    hello.judge()
}

// === impl Hello ===

impl Hello {
    fn judge(self) -> Result<String, String> {
        let of_set = self.set.map(|set| format!(" of replica set `{set}`")).unwrap_or_default();
        if !self.is_ok {
            return Err(format!("hello fails: {}", self.error.unwrap_or_default()));
        }
        let role = match self {
            _ if self.is_primary => "writable primary",
            _ if self.is_secondary => "secondary",
            _ if self.is_arbiter => "arbiter",
            _ if self.is_uninitiated => {
                return Err("the replica set is not initiated: run `rs.initiate()` in this server".to_owned());
            }
            _ => return Err(format!("neither primary nor secondary{of_set}: it starts or recovers")),
        };
        Ok(format!("{role}{of_set}"))
    }
}

/// Reads the fields of the outer document and steps over what is nested in it.
fn read(document: &[u8]) -> Option<Hello> {
    let mut fields = document;
    let length = usize::try_from(fields.try_get_i32_le().ok()?).ok()?;
    if length != document.len() || document.last() != Some(&0) {
        return None;
    }
    let mut hello = Hello::default();
    loop {
        let kind = fields.try_get_u8().ok()?;
        if kind == 0 {
            return fields.is_empty().then_some(hello);
        }
        let end = fields.iter().position(|byte| *byte == 0)?;
        let name = &fields[..end];
        fields.advance(end + 1);
        let (value, rest) = fields.split_at_checked(length_of(kind, fields)?)?;
        fields = rest;
        hello.take(kind, name, value);
    }
}

/// How many bytes a value takes.
fn length_of(kind: u8, mut value: &[u8]) -> Option<usize> {
    let mut prefix = || usize::try_from(value.try_get_i32_le().ok()?).ok();
    match kind {
        // Double, date, timestamp, 64-bit integer.
        0x01 | 0x09 | 0x11 | 0x12 => Some(8),
        // Text: length of what follows.
        0x02 => prefix()?.checked_add(4),
        // Document and array: length of the whole.
        0x03 | 0x04 => prefix(),
        // Binary: length of what follows the type.
        0x05 => prefix()?.checked_add(5),
        // Object id.
        0x07 => Some(12),
        0x08 => Some(1),
        // Null, the least and the greatest of keys.
        0x0a | 0xff | 0x7f => Some(0),
        0x10 => Some(4),
        0x13 => Some(16),
        // Regular expressions, code and what is deprecated: no answer to `hello` has them.
        _ => None,
    }
}

impl Hello {
    fn take(&mut self, kind: u8, name: &[u8], value: &[u8]) {
        let is_true = match kind {
            0x08 => value == [1],
            0x01 => value == 1.0_f64.to_le_bytes(),
            0x10 => value == 1_i32.to_le_bytes(),
            _ => false,
        };
        let text = || {
            let text = value.get(4..value.len().checked_sub(1)?).filter(|_| kind == 0x02)?;
            Some(told(text, TEXT_MAX_CHARS))
        };
        match name {
            b"ok" => self.is_ok = is_true,
            b"isWritablePrimary" => self.is_primary = is_true,
            b"secondary" => self.is_secondary = is_true,
            b"arbiterOnly" => self.is_arbiter = is_true,
            b"isreplicaset" => self.is_uninitiated = is_true,
            b"setName" => self.set = text(),
            b"errmsg" => self.error = text(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_says_its_own_lengths() {
        assert_eq!(usize::from(HELLO[0]), HELLO.len());
        assert!(read(&HELLO[HEAD_BYTES..]).is_some(), "its document can be read as an answer's is");
    }
}
