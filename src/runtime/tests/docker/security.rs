use spur_runtime::{Bounds, ContainerState, LogOptions, Runtime, Security, reason};

use crate::world::{World, pod};

/// SB-6.
pub(crate) async fn memory() {
    let world = World::new().await;
    let of = pod("p");
    // What it keeps of a file without lines grows without end.
    let mut plan = World::plan("app", &["tail", "/dev/zero"]);
    plan.bounds = Bounds { memory: Some(16 * 1024 * 1024), cpu_millis: Some(500) };
    world.runtime.start(&of, plan).await.unwrap();
    let ContainerState::Terminated { exit_code, reason, .. } = world.end(&of).await else {
        panic!("it has ended")
    };
    assert_eq!((exit_code, &*reason), (137, reason::OOM_KILLED));
}

/// SB-10: what is measured is what the kernel says.
pub(crate) async fn rights() {
    let world = World::new().await;
    let script = "id -u; id -g; id -G; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status; touch /made && echo wrote; hostname";
    let usual = "CapEff:\t00000000a80425fb\nNoNewPrivs:\t0\n";
    let hardened = Security {
        user: Some("65534:65533".to_owned()),
        groups: vec![7],
        dropped: vec!["ALL".to_owned()],
        has_read_only_root: true,
        forbids_escalation: true,
        ..Security::default()
    };
    let bound = Security {
        dropped: vec!["ALL".to_owned()],
        added: vec!["NET_BIND_SERVICE".to_owned()],
        ..Security::default()
    };
    for (name, security, wanted) in [
        ("usual", Security::default(), format!("0\n0\n0\n{usual}wrote\nusual\n")),
        (
            "hardened",
            hardened,
            "65534\n65533\n65533 7\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nhardened\n".to_owned(),
        ),
        ("bound", bound, "0\n0\n0\nCapEff:\t0000000000000400\nNoNewPrivs:\t0\nwrote\nbound\n".to_owned()),
    ] {
        let of = pod(name);
        let mut plan = World::plan("app", &["sh", "-c", script]);
        plan.security = security;
        world.runtime.start(&of, plan).await.unwrap();
        world.end(&of).await;
        let text = world.text(&of, LogOptions::default()).await;
        let lines: String =
            text.lines().filter(|line| !line.starts_with("touch:")).map(|line| format!("{line}\n")).collect();
        assert_eq!(lines, wanted, "{name}");
    }
}
