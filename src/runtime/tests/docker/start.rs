use spur_runtime::docker::Engine;
use spur_runtime::{ContainerPlan, ContainerState, LogOptions, Runtime, StartError, reason};

use crate::world::{IMAGE, World, docker, pod, wait_for};

/// SB-1.
pub(crate) async fn nobody_answers() {
    let dir = tempfile::tempdir().unwrap();
    let missing = format!("unix://{}/docker.sock", dir.path().display());
    let error = Engine::connect(Some(&missing)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot talk to Docker at `{missing}`: ")), "{text}");
    assert!(text.contains("No such file or directory"), "{text}");
    assert!(error.hint().contains("DOCKER_HOST"), "{}", error.hint());
    for (other, wanted) in [
        ("tcp://127.0.0.1:1", "Connection refused"),
        ("ssh://host", "`ssh://` is not supported; only `unix://` and `tcp://` are"),
        ("nonsense", "want `unix://` and a path, or `tcp://` and an address"),
    ] {
        let text = Engine::connect(Some(other)).await.unwrap_err().to_string();
        assert!(text.contains(other) && text.contains(wanted), "{text}");
    }
}

pub(crate) async fn runs_and_ends() {
    let world = World::new().await;
    for (n, (script, wanted)) in
        [("echo out; echo err >&2", (0, reason::COMPLETED)), ("exit 7", (7, reason::ERROR))]
            .iter()
            .enumerate()
    {
        let pod = pod(&format!("p{n}"));
        let mut plan = World::plan("app", &["sh", "-c", script]);
        plan.env = vec![("A".to_owned(), "1".to_owned())];
        let started = world.runtime.start(&pod, plan).await.unwrap();
        assert_eq!(started.attempt, 0);
        let ContainerState::Terminated { exit_code, reason, signal, started_at, finished_at, .. } =
            world.end(&pod).await
        else {
            panic!("it has ended")
        };
        assert_eq!((exit_code, &*reason, signal), (wanted.0, wanted.1, None));
        assert!(started_at <= finished_at);
    }
    let mut text: Vec<String> =
        world.text(&pod("p0"), LogOptions::default()).await.lines().map(str::to_owned).collect();
    text.sort();
    assert_eq!(text, ["err", "out"]);
    let again = world.sh(&pod("p0"), "echo $((1 + 1)); pwd").await.unwrap();
    assert_eq!(again.attempt, 1);
    world.end(&pod("p0")).await;
    assert_eq!(world.text(&pod("p0"), LogOptions::default()).await, "2\n/\n");
}

/// As in Kubernetes: `command` is the entrypoint, `args` the rest.
pub(crate) async fn images_own_command() {
    let world = World::new().await;
    for (name, command, args, wanted) in [
        ("own", &[][..], &[][..], "by itself\n"),
        ("args", &[], &["/bin/echo", "args"], "args\n"),
        ("command", &["/bin/echo", "command"], &[], "command\n"),
        ("both", &["/bin/echo", "both"], &["of them"], "both of them\n"),
    ] {
        let pod = pod(name);
        let args = args.iter().map(|it| (*it).to_owned()).collect();
        let plan = ContainerPlan { args, ..World::plan("app", command) };
        world.runtime.start(&pod, plan).await.unwrap();
        world.end(&pod).await;
        assert_eq!(world.text(&pod, LogOptions::default()).await, wanted, "{name}");
    }
}

/// SB-4.
pub(crate) async fn no_image() {
    let world = World::new().await;
    let plan = ContainerPlan { image: Some("spur-test/none:such".to_owned()), ..World::plan("app", &["x"]) };
    let error = world.runtime.start(&pod("p"), plan).await.unwrap_err();
    assert_eq!(error.reason(), "ErrImagePull");
    assert!(error.to_string().contains("No such image: spur-test/none:such"), "{error}");
    let plan = ContainerPlan { image: None, ..World::plan("app", &["x"]) };
    let error = world.runtime.start(&pod("p"), plan).await.unwrap_err();
    assert!(matches!(error, StartError::NoImage { .. }), "{error}");
    assert_eq!(world.runtime.list(), []);
}

pub(crate) async fn no_program() {
    let world = World::new().await;
    let error = world.runtime.start(&pod("p"), World::plan("app", &["nope"])).await.unwrap_err();
    assert_eq!(
        error.text(),
        "exec: \"nope\": executable file not found in $PATH\nhint: the image has no such program in its `PATH`; give its full path"
    );
    let ContainerState::Terminated { exit_code: 128, reason, .. } = world.state(&pod("p")) else {
        panic!("it never ran: {:?}", world.state(&pod("p")))
    };
    assert_eq!(reason, reason::START_ERROR);
    let again = world.sh(&pod("p"), "true").await.unwrap();
    assert_eq!(again.attempt, 1);
}

pub(crate) async fn twice() {
    let world = World::new().await;
    let of = pod("p");
    let (a, b) = tokio::join!(world.sh(&of, "sleep 1000"), world.sh(&of, "sleep 1000"));
    let refused = [a.err(), b.err()].into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(refused.len(), 1);
    assert!(matches!(refused[0], StartError::AlreadyRunning { .. }), "{:?}", refused[0]);
    assert_eq!(world.ids().len(), 1);
}

/// Spur may be killed between making a container and starting it, also before it has learnt its id.
pub(crate) async fn interrupted() {
    let world = World::new().await;
    let of = pod("p");
    world.sh(&of, "echo first").await.unwrap();
    world.end(&of).await;
    // What a start leaves that is cut off: one that is listed when Spur comes back …
    let stray = |environment: &str| {
        let name = format!("spur_app_p_default_{}_{}_1", of.uid, &world.id[..8]);
        let labels = [
            format!("spur.dev/environment={environment}"),
            "spur.dev/pod-namespace=default".to_owned(),
            "spur.dev/pod-name=p".to_owned(),
            format!("spur.dev/pod-uid={}", of.uid),
            "spur.dev/container=app".to_owned(),
            "spur.dev/attempt=1".to_owned(),
        ];
        let labels = labels.iter().flat_map(|label| ["--label", label]);
        let args: Vec<&str> = ["create", "--name", &name].into_iter().chain(labels).collect();
        docker(&[&args[..], &[&IMAGE, "/bin/true"]].concat()).trim().to_owned()
    };
    let known = stray(&world.id);
    wait_for("the stray to be known", async || !world.state(&of).is_terminated()).await;
    assert_eq!(world.sh(&of, "echo second").await.unwrap().attempt, 1);
    world.end(&of).await;
    assert!(!docker(&["ps", "-aq", "--no-trunc"]).contains(&known));
    let previous = LogOptions { previous: true, ..LogOptions::default() };
    assert_eq!(world.text(&of, previous).await, "first\n");
    assert_eq!(world.text(&of, LogOptions::default()).await, "second\n");

    // … and somebody else's of the same name, which stays.
    world.runtime.remove(&of).await.unwrap();
    world.sh(&of, "echo again").await.unwrap();
    world.end(&of).await;
    let others = stray("other");
    let error = world.sh(&of, "true").await.unwrap_err();
    assert!(error.to_string().contains("is taken by a container that Spur did not make"), "{error}");
    docker(&["rm", &others]);
    world.sh(&of, "true").await.unwrap();
}
