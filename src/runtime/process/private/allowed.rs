//! Whether this machine lets users have networks of their own, found out by making one.

use std::sync::Arc;

use spur_holder::{Pod, PodCommand};

use super::addresses::{HOST, PRIVATE_NETWORK, SERVICES};
use super::start::{ANSWERS_WITHIN, command};

/// Settings that forbid it: where they lie, the value that does, and what allows it.
///
/// The first is Debian's, the second the kernel's (namespaces(7)), the third Ubuntu's since 23.10
/// (<https://discourse.ubuntu.com/t/spec-unprivileged-user-namespace-restrictions-via-apparmor-in-ubuntu-23-10/37626>).
const SETTINGS: [(&str, &str, &str); 3] = [
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "15000"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
];

/// Whether pods may have networks of their own here: one is made, for nobody.
///
/// # Errors
/// Why not, for people: what failed, the setting that forbids it, and after `; next: ` what to do.
pub async fn private_networks_allowed() -> Result<(), Arc<str>> {
    if !cfg!(target_os = "linux") {
        return Err("this system has no namespaces, which only Linux has".into());
    }
    let nobody = Pod { address: PRIVATE_NETWORK.0, host: HOST, services: SERVICES.to_vec() };
    let tried = tokio::time::timeout(ANSWERS_WITHIN, command(&PodCommand::Try(nobody)).output()).await;
    let why = match tried {
        Ok(Ok(output)) if output.status.success() => return Ok(()),
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Ok(Err(error)) => format!("start this program again: {error}"),
        Err(_) => format!("no network was made within {ANSWERS_WITHIN:?}"),
    };
    let setting = |name: &str| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        std::fs::read_to_string(path).ok().map(|value| value.trim().to_owned())
    };
    Err(explained(&why, setting).into())
}

/// What failed, what forbids it, and what to do.
fn explained(why: &str, setting: impl Fn(&str) -> Option<String>) -> String {
    let forbids = SETTINGS.iter().find(|(name, forbidding, _)| setting(name).as_deref() == Some(*forbidding));
    match forbids {
        Some((name, found, allowing)) => format!(
            "failed to {why}: the setting `{name}` is {found}; next: `sudo sysctl -w {name}={allowing}`, then start spur again"
        ),
        None => format!(
            "failed to {why}; next: run spur where users may make namespaces (in a container, its seccomp profile and the rights of its user decide)"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_forbids_it_is_named_with_the_next_step() {
        let check = |settings: &[(&str, &str)], wanted: &str| {
            let setting = |name: &str| {
                let found = settings.iter().find(|(other, _)| *other == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let found = explained("make a user namespace: operation not permitted (EPERM)", setting);
            assert!(found.starts_with("failed to make a user namespace: operation not"), "{found}");
            assert!(found.contains(wanted), "{found}");
        };
        check(&[("kernel.unprivileged_userns_clone", "0")], "sysctl -w kernel.unprivileged_userns_clone=1`");
        check(
            &[("user.max_user_namespaces", "0"), ("kernel.unprivileged_userns_clone", "1")],
            "the setting `user.max_user_namespaces` is 0; next: ",
        );
        check(
            &[("kernel.apparmor_restrict_unprivileged_userns", "1"), ("user.max_user_namespaces", "9")],
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`",
        );
        check(&[("user.max_user_namespaces", "9")], "seccomp");
    }
}
