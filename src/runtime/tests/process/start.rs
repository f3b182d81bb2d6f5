//! What starts, with what, and how its end reads.

use std::time::SystemTime;

use crate::world::{LONG, World, pod};
use spur_runtime::{ContainerState, Runtime, StartError};

#[tokio::test]
async fn an_exit_code_is_what_the_process_returned() {
    let world = World::new().await;
    for (script, code, wanted) in [("exit 0", 0, "Completed"), ("exit 7", 7, "Error")] {
        let pod = pod(wanted);
        let started = world.sh(&pod, "app", script).await.unwrap();
        let ContainerState::Terminated { exit_code, signal, reason, started_at, finished_at, .. } =
            world.end(&pod, "app").await
        else {
            panic!("it has ended");
        };
        assert_eq!((exit_code, signal, &*reason), (code, None, wanted));
        assert_eq!(started_at, started.started_at);
        assert!(started_at <= finished_at && finished_at <= SystemTime::now());
    }
}

#[tokio::test]
async fn a_signal_reads_as_128_and_its_number() {
    let world = World::new().await;
    let pod = pod("p");
    world.sh(&pod, "app", "kill -SEGV $$").await.unwrap();
    let state = world.end(&pod, "app").await;
    let ContainerState::Terminated { exit_code, signal, .. } = state else {
        panic!("{state:?}");
    };
    assert_eq!((exit_code, signal), (139, Some(11)));
}

#[tokio::test]
async fn events_come_in_order_and_agree_with_list() {
    let world = World::new().await;
    let mut events = world.runtime.events();
    let pod = pod("p");
    world.sh(&pod, "app", "exit 3").await.unwrap();
    let mut seen = Vec::new();
    while !seen.last().is_some_and(ContainerState::is_terminated) {
        let event = tokio::time::timeout(LONG, events.recv()).await.unwrap().unwrap();
        assert_eq!((&event.pod, &*event.container), (&pod, "app"));
        seen.push(event.state);
    }
    let [ContainerState::Waiting { .. }, ContainerState::Running { .. }, last] = &seen[..] else {
        panic!("{seen:?}");
    };
    let list = world.runtime.list();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].state, *last);
}

#[tokio::test]
async fn the_environment_is_the_base_and_the_plan_only() {
    let world = World::new().await;
    let pod = pod("p");
    let mut plan = world.plan("app", &["env"]);
    plan.env = vec![("A".into(), "1 2".into()), ("LANG".into(), "own".into())];
    world.runtime.start(&pod, plan).await.unwrap();
    world.end(&pod, "app").await;
    let text = world.text(&pod, "app").await;
    let mut names: Vec<_> = text.lines().map(|l| l.split('=').next().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["A", "LANG", "PATH", "SPUR_CONTAINER"]);
    assert!(text.contains("A=1 2\n") && text.contains("LANG=own\n"), "{text}");
}

#[tokio::test]
async fn it_runs_in_its_directory_with_empty_input_and_its_own_name() {
    let world = World::new().await;
    let dir = world.tmp.path().canonicalize().unwrap();
    let pod = pod("p");
    let mut plan = world.plan("app", &["sh", "-c", "pwd; cat; echo $0"]);
    plan.working_dir = Some(dir.clone());
    world.runtime.start(&pod, plan).await.unwrap();
    world.end(&pod, "app").await;
    assert_eq!(world.text(&pod, "app").await, format!("{}\nsh\n", dir.display()));
}

#[tokio::test]
async fn what_cannot_start_says_why_and_is_listed_as_terminated() {
    let world = World::new().await;
    let dir = world.tmp.path();
    let script = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
        path.display().to_string()
    };
    let no_interpreter = script("a", "#!/none/python -x\n");
    let no_format = script("b", "\0\0\0\0");
    for (program, wanted) in [
        ("none", "exec: \"none\": executable file not found in $PATH\nhint: looked in "),
        ("./none", "stat "),
        (&*no_interpreter, "interpreter `/none/python` of "),
        (&*no_format, "exec format error\nhint: a script needs a first line"),
    ] {
        let pod = pod("p");
        let error = world.runtime.start(&pod, world.plan("app", &[program])).await;
        let error = error.unwrap_err();
        assert_eq!(error.reason(), "RunContainerError");
        assert!(error.text().contains(wanted), "{}", error.text());
        let state = world.runtime.state(&pod, "app").unwrap();
        let ContainerState::Terminated { exit_code, reason, message, .. } = state else {
            panic!("{state:?}");
        };
        assert_eq!((exit_code, &*reason), (128, "StartError"));
        assert_eq!(message, error.text());
        assert_eq!(world.text(&pod, "app").await, "");
        world.runtime.remove(&pod).await.unwrap();
    }
    let mut plan = world.plan("app", &["true"]);
    plan.working_dir = Some(dir.join("none"));
    let error = world.runtime.start(&pod("p"), plan).await.unwrap_err();
    assert!(matches!(error, StartError::WorkingDir { .. }), "{error}");
}

#[tokio::test]
async fn names_that_lead_out_of_the_directory_are_refused() {
    let world = World::new().await;
    let mut evil = pod("p");
    evil.uid = "../../x".into();
    let error = world.sh(&evil, "app", "true").await.unwrap_err();
    assert_eq!(error.reason(), "CreateContainerConfigError");
    let error = world.sh(&pod("p"), "..", "true").await.unwrap_err();
    assert!(error.to_string().starts_with("container name \"..\""), "{error}");
    assert!(world.runtime.list().is_empty());
}

#[tokio::test]
async fn a_container_runs_once_at_a_time_and_counts_its_attempts() {
    let world = World::new().await;
    let pod = pod("p");
    let first = world.sh(&pod, "app", "exec sleep 60").await.unwrap();
    let again = world.sh(&pod, "app", "true").await;
    assert!(matches!(again, Err(StartError::AlreadyRunning { .. })), "{again:?}");
    world.runtime.stop(&pod, "app", LONG).await.unwrap();
    let second = world.sh(&pod, "app", "true").await.unwrap();
    assert_eq!((first.attempt, second.attempt), (0, 1));
}
