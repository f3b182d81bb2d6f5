//! Bytes and descriptors over a unix socket (`SCM_RIGHTS`, unix(7)), none of which waits.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, Result};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use crate::protocol::PAGE;

/// Sends all of it, the descriptors with the first byte.
///
/// # Errors
/// [`Errno::AGAIN`] where the other side does not read: what has been sent cannot be finished.
pub(crate) fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PAGE))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::MSGSIZE);
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let mut n_sent = 0;
    while n_sent < bytes.len() {
        match sendmsg(&socket, &[IoSlice::new(&bytes[n_sent..])], &mut ancillary, flags) {
            Ok(n_bytes) => n_sent += n_bytes,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        }
        ancillary.clear();
    }
    Ok(())
}

/// Adds what has come to `bytes` and `descriptors`; 0 bytes are the end.
///
/// # Errors
/// [`Errno::AGAIN`] where nothing has.
pub(crate) fn receive(
    socket: impl AsFd,
    bytes: &mut Vec<u8>,
    descriptors: &mut Vec<OwnedFd>,
) -> Result<usize> {
    let mut piece = [0_u8; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PAGE))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(&mut piece)], &mut ancillary, flags) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    bytes.extend_from_slice(&piece[..received.bytes]);
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            descriptors.extend(passed);
        }
    }
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_descriptor_is_the_same_on_the_other_side() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        send(&here, b"hello", &[far.as_fd()]).unwrap();
        drop(far);
        let (mut bytes, mut passed) = (Vec::new(), Vec::new());
        assert_eq!(receive(&there, &mut bytes, &mut passed).unwrap(), 5);
        let mut far = UnixStream::from(passed.pop().unwrap());
        far.write_all(b"x").unwrap();
        let mut read = [0];
        near.read_exact(&mut read).unwrap();
        assert_eq!((&*bytes, read), (&b"hello"[..], *b"x"));
        assert_eq!(receive(&there, &mut bytes, &mut passed), Err(Errno::AGAIN));
    }

    #[test]
    fn who_does_not_read_is_not_waited_for() {
        let (here, _there) = UnixStream::pair().unwrap();
        let piece = vec![0; 100_000];
        let found = (0..100).find_map(|_| send(&here, &piece, &[]).err());
        assert_eq!(found, Some(Errno::AGAIN));
    }
}
