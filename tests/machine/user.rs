//! Another user, and what only the superuser may.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Data, Spur, command};
use crate::need::AS_NOBODY;

/// ST-9: whose directory it is not, cannot use it, and is told to look at the owner.
pub(crate) async fn st_9_a_directory_of_another_user_is_refused() {
    let data = Spur::up().start().await.end().await;
    for path in [data.home().to_owned(), data.path()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut up = tokio::process::Command::new(AS_NOBODY[0]);
    up.args(&AS_NOBODY[1..]).arg(env!("CARGO_BIN_EXE_spur"));
    up.args(["up", "-o", "json", "--port", "0", "--entry-port", "0", "--data"]).arg(data.path());
    let store = data.path().join("store").display().to_string();
    command::run(up).await.code(1).prints_nothing().tells(&[&store, "cannot be written", "check its owner"]);
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o700)).unwrap();
    Spur::up().on(&data).start().await.end().await;
}

/// AP-16: a port that only the superuser may have; a user namespace of one's own is not enough.
pub(crate) async fn ap_16_a_privileged_port_is_refused_with_what_helps() {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    let first: u16 = first.trim().parse().unwrap();
    assert!(first > 1, "every port is free to all here: `ip_unprivileged_port_start` is {first}");
    let port = (first - 1).to_string();
    let data = Data::new();
    for (flag, other) in [("--port", "--entry-port"), ("--entry-port", "--port")] {
        let mut up = tokio::process::Command::new("unshare");
        up.args(["--user", "--map-root-user", env!("CARGO_BIN_EXE_spur"), "up", "-o", "json", flag, &port]);
        up.args([other, "0", "--data"]).arg(data.path());
        let hint = format!("hint: choose another port with {flag}");
        let told = [&*format!("127.0.0.1:{port}"), "Permission denied", &hint];
        command::run(up).await.code(1).prints_nothing().tells(&told);
    }
}
