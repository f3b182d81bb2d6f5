//! What this Spur proves itself with, and what it knows its users by: kept in
//! `<data>/identity`, made at the first start, readable by its owner only.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use spur_net::{Authority, Credential, Tls};
use spur_server::{Identity, Secrets, User};

/// The files that hold secrets.
const AUTHORITY: &str = "authority.pem";
const SERVICE_ACCOUNT_KEY: &str = "service-account.key";
const ADMIN_TOKEN: &str = "admin.token";

/// Names and addresses that the server's certificate is for: this machine's, and those
/// under which clients inside an environment know the API.
const NAMES: [&str; 7] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// What was opened or made.
pub(crate) struct Opened {
    pub(crate) identity: Arc<Identity>,
    /// What the API's listener speaks.
    pub(crate) tls: Tls,
    pub(crate) admin: Admin,
}

/// What the administrator's kubeconfig holds.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    /// The authority's certificate.
    pub(crate) authority_pem: String,
    pub(crate) credential: Credential,
    pub(crate) token: String,
}

/// Opens the identity in `dir`, or makes it.
pub(crate) fn open(dir: &Path) -> Result<Opened> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("failed to make the directory `{}`", dir.display()))?;
    check(dir)?;
    let authority = kept(&dir.join(AUTHORITY), || Ok(Authority::generate()?.to_pem().into_bytes()))?;
    let authority =
        Authority::from_pem(&text(authority, AUTHORITY)?).with_context(|| unusable(&dir.join(AUTHORITY)))?;
    let key = kept(&dir.join(SERVICE_ACCOUNT_KEY), || Ok(Secrets::generate_key()?))?;
    let token = kept(&dir.join(ADMIN_TOKEN), || Ok(Secrets::generate_token()?.into_bytes()))?;
    let secrets = Secrets { service_account_key: key, admin_token: text(token, ADMIN_TOKEN)? };
    let identity = Identity::new(&secrets).with_context(|| unusable(dir))?;
    // For `curl --cacert`; it follows from the authority.
    write_private(&dir.join("ca.crt"), authority.certificate_pem().as_bytes())?;
    let names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    let tls = Tls::new(&authority.server(&names)?, authority.certificate_pem())?;
    let admin = Admin {
        authority_pem: authority.certificate_pem().to_owned(),
        credential: authority.client(User::ADMIN, User::ADMIN_GROUP)?,
        token: secrets.admin_token,
    };
    Ok(Opened { identity: Arc::new(identity), tls, admin })
}

/// A file readable by its owner only that is there whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension("new");
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&temporary, path));
    written.with_context(|| format!("failed to write `{}`", path.display()))
}

/// The file's bytes; where there is none, it is made.
pub(crate) fn kept(path: &Path, make: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let bytes = make()?;
            write_private(path, &bytes)?;
            Ok(bytes)
        }
        Err(error) => Err(error).with_context(|| format!("failed to read `{}`", path.display())),
    }
}

/// Refuses keys that others can read: those are theirs too, and not used further. For whoever
/// wants to know before anything is opened.
pub(crate) fn check(dir: &Path) -> Result<()> {
    for name in [AUTHORITY, SERVICE_ACCOUNT_KEY, ADMIN_TOKEN] {
        let path = dir.join(name);
        // What cannot be looked at is told when it is read.
        let Ok(found) = std::fs::metadata(&path) else { continue };
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 == 0 {
            continue;
        }
        let path = path.display();
        bail!(
            "`{path}` is open to other users: mode {mode:03o}, expected 600\nhint: chmod 600 '{path}'; where others may have read it, delete it, and a new one is made"
        );
    }
    Ok(())
}

fn text(bytes: Vec<u8>, name: &str) -> Result<String> {
    String::from_utf8(bytes).with_context(|| format!("`{name}` is no text"))
}

fn unusable(path: &Path) -> String {
    let path = path.display();
    format!(
        "failed to use `{path}` (hint: delete it, and a new one is made; kubeconfigs handed out before then lead nowhere)"
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_identity_is_the_same_at_the_next_start_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("identity");
        let (first, second) = (open(&dir).unwrap(), open(&dir).unwrap());
        assert_eq!(first.admin.authority_pem, second.admin.authority_pem);
        assert_eq!(first.admin.token, second.admin.token);
        for file in std::fs::read_dir(&dir).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
        }
    }

    /// ST-9: key files that others may read are refused.
    #[test]
    fn st_9_a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).unwrap();
        for (name, mode) in [("authority.pem", 0o644), ("service-account.key", 0o640), ("admin.token", 0o604)]
        {
            let permit = |mode| {
                std::fs::set_permissions(dir.path().join(name), std::fs::Permissions::from_mode(mode))
                    .unwrap();
            };
            permit(mode);
            let error = format!("{:#}", open(dir.path()).err().unwrap());
            for part in [name, &format!("{mode:o}"), "hint: chmod 600"] {
                assert!(error.contains(part), "{part}: {error}");
            }
            permit(0o600);
        }
        open(dir.path()).unwrap();
    }

    #[test]
    fn a_damaged_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).unwrap();
        std::fs::write(dir.path().join("authority.pem"), "garbage").unwrap();
        let error = format!("{:#}", open(dir.path()).err().unwrap());
        assert!(error.contains("authority.pem` (hint: delete it"), "{error}");
    }
}
