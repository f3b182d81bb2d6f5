//! The names of errors, as people search for them. Pure.

use rustix::io::Errno;

/// What the calls of this crate may answer (socket(2), bind(2), listen(2), connect(2), rtnetlink(7)).
const NAMES: &[(Errno, &str)] = &[
    (Errno::ACCESS, "EACCES"),
    (Errno::ADDRINUSE, "EADDRINUSE"),
    (Errno::ADDRNOTAVAIL, "EADDRNOTAVAIL"),
    (Errno::AFNOSUPPORT, "EAFNOSUPPORT"),
    (Errno::BADF, "EBADF"),
    (Errno::CONNREFUSED, "ECONNREFUSED"),
    (Errno::EXIST, "EEXIST"),
    (Errno::HOSTUNREACH, "EHOSTUNREACH"),
    (Errno::INVAL, "EINVAL"),
    (Errno::IO, "EIO"),
    (Errno::MFILE, "EMFILE"),
    (Errno::MSGSIZE, "EMSGSIZE"),
    (Errno::NETDOWN, "ENETDOWN"),
    (Errno::NETUNREACH, "ENETUNREACH"),
    (Errno::NFILE, "ENFILE"),
    (Errno::NOBUFS, "ENOBUFS"),
    (Errno::NODEV, "ENODEV"),
    (Errno::NOENT, "ENOENT"),
    (Errno::NOMEM, "ENOMEM"),
    (Errno::NOSPC, "ENOSPC"),
    (Errno::OPNOTSUPP, "EOPNOTSUPP"),
    (Errno::PERM, "EPERM"),
    (Errno::PROTONOSUPPORT, "EPROTONOSUPPORT"),
    (Errno::TIMEDOUT, "ETIMEDOUT"),
];

/// Its name, or its number where it has none here, and the system's words for it.
pub(crate) fn name_and_words(error: Errno) -> (String, String) {
    let name = NAMES.iter().find(|(known, _)| *known == error);
    let name = name.map_or_else(|| format!("error {}", error.raw_os_error()), |(_, name)| (*name).to_owned());
    // std adds the number in brackets.
    let words = std::io::Error::from(error).to_string();
    let words = words.split(" (os error").next().unwrap_or_default().to_lowercase();
    (name, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_name_and_words() {
        let (name, words) = name_and_words(Errno::ADDRINUSE);
        assert_eq!((&*name, &*words), ("EADDRINUSE", "address already in use"));
        assert_eq!(name_and_words(Errno::from_raw_os_error(71)).0, "error 71");
    }
}
