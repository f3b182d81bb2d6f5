use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use spur_runtime::docker::{BuildError, BuildPlan, Engine};
use tempfile::TempDir;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::world::{IMAGE, docker, docker_host, wait_for};

/// A context with these files, and names for images that no other test has.
struct Context {
    dir: TempDir,
    id: String,
}

impl Context {
    fn new(files: &[(&str, &str)]) -> Self {
        let context = Self { dir: tempfile::tempdir().unwrap(), id: Uuid::new_v4().simple().to_string() };
        // No layer of an earlier run is like ours.
        context.write("id", &context.id);
        for (name, text) in files {
            context.write(name, &text.replace("BUSYBOX", &IMAGE));
        }
        context
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn tag(&self, tag: &str) -> String {
        format!("spur-test/{}:{tag}", self.id)
    }

    fn plan(&self) -> BuildPlan {
        BuildPlan { context: self.path().to_owned(), tags: vec![self.tag("built")], ..BuildPlan::default() }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        for id in docker(&["images", "-q", &format!("spur-test/{}", self.id)]).lines() {
            docker(&["rmi", "--force", id]);
        }
    }
}

async fn build(plan: &BuildPlan) -> (Result<String, BuildError>, String) {
    let engine = Engine::connect(docker_host().as_deref()).await.unwrap();
    let (news_tx, mut news_rx) = mpsc::channel::<String>(1);
    let told = async {
        let mut told = String::new();
        while let Some(text) = news_rx.recv().await {
            told.push_str(&text);
        }
        told
    };
    let built = async {
        let built = engine.build(plan, None, &news_tx).await;
        drop(news_tx);
        built
    };
    tokio::join!(built, told)
}

fn run(image: &str) -> String {
    docker(&["run", "--rm", "--network", "none", image])
}

pub(crate) async fn whole() {
    let context = Context::new(&[
        (".dockerignore", "*.log\nDockerfile\n"),
        ("noise.log", "noise"),
        (
            "Dockerfile",
            "FROM BUSYBOX AS base\nARG WHO=nobody\nCOPY . /in\nRUN echo \"$WHO\" > /who\nCMD [\"sh\", \"-c\", \"cat /who; echo /in/* /in/.d*\"]\n\
             FROM base AS more\nCMD [\"echo\", \"more\"]\n",
        ),
    ]);
    std::os::unix::fs::symlink("/etc/passwd", context.path().join("link")).unwrap();
    let mut plan = context.plan();
    plan.tags.push(context.tag("second"));
    let (built, told) = build(&plan).await;
    let id = built.unwrap();
    assert!(id.starts_with("sha256:"), "{id}");
    assert!(told.contains("Step 3/7 : COPY . /in\n"), "{told}");
    assert!(told.contains(&format!("Successfully tagged {}\n", plan.tags[0])), "{told}");
    for tag in &plan.tags {
        assert_eq!(run(tag), "more\n");
        assert_eq!(docker(&["inspect", "--format", "{{.Id}}", tag]).trim(), id);
    }

    plan.tags = vec![context.tag("base")];
    plan.target = Some("base".to_owned());
    plan.args.insert("WHO".to_owned(), "ann".to_owned());
    let (built, _) = build(&plan).await;
    assert_eq!(run(&built.unwrap()), "ann\n/in/id /in/link /in/.dockerignore\n");
    let (_, told) = build(&plan).await;
    assert_eq!(told.matches("Using cache").count(), 4, "{told}");
    plan.ignores_cache = true;
    let (_, told) = build(&plan).await;
    assert!(!told.contains("Using cache"), "{told}");
}

/// What we send is what the Docker CLI sends: the engine finds the layers that this has made.
pub(crate) async fn same_as_docker() {
    let long = format!("{}end", "long/".repeat(60));
    let context = Context::new(&[
        (".dockerignore", "# nothing of these\ntarget\n**/*.o\ndocs/*\n!docs/keep\n!**/lost\n"),
        ("Dockerfile", "FROM BUSYBOX\nCOPY . /in\nRUN cat /in/id\n"),
        ("target/debug/x", "x"),
        ("target/lost", "x"),
        ("src/a.rs", "a"),
        ("src/a.o", "x"),
        ("src/deep/er/b.rs", "b"),
        ("docs/keep/this", "k"),
        ("docs/drop", "x"),
        (&long, "l"),
    ]);
    std::os::unix::fs::symlink("../../outside", context.path().join("src/link")).unwrap();
    std::fs::create_dir(context.path().join("empty")).unwrap();
    std::fs::set_permissions(context.path().join("src/a.rs"), Permissions::from_mode(0o755)).unwrap();
    let mut theirs = Command::new("docker");
    theirs.env("DOCKER_BUILDKIT", "0").args(["build", "--quiet", "--tag", &context.tag("theirs")]);
    let theirs = theirs.arg(context.path()).output().unwrap();
    assert!(theirs.status.success(), "{}", String::from_utf8_lossy(&theirs.stderr));
    let (built, told) = build(&context.plan()).await;
    assert_eq!(built.unwrap(), String::from_utf8(theirs.stdout).unwrap().trim());
    assert_eq!(told.matches("Using cache").count(), 2, "{told}");
}

pub(crate) async fn fails() {
    let context = Context::new(&[("Dockerfile", "FROM BUSYBOX\nRUN echo some; exit 3\n")]);
    let (built, told) = build(&context.plan()).await;
    assert!(told.contains("\nsome\n"), "{told}");
    assert_eq!(
        built.unwrap_err().to_string(),
        "failed at `Step 2/2 : RUN echo some; exit 3`: The command '/bin/sh -c echo some; exit 3' returned a non-zero code: 3"
    );
    context.write("Dockerfile", "FROM scratch\nBAKE it\n");
    let told = build(&context.plan()).await.0.unwrap_err().to_string();
    assert_eq!(told, "dockerfile parse error line 2: unknown instruction: BAKE");

    context.write("Dockerfile", "FROM scratch\nCOPY . /\n");
    let pipe = context.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    let told = build(&context.plan()).await.0.unwrap_err().to_string();
    assert!(told.starts_with("cannot send the context: `pipe`: it is a named pipe"), "{told}");
    let mut plan = context.plan();
    plan.tags.push("No".to_owned());
    let told = build(&plan).await.0.unwrap_err().to_string();
    assert_eq!(told, "cannot call an image `No`: repository name must be lowercase");
    assert_eq!(docker(&["images", "-q", &context.tag("built")]), "");
}

/// Whoever does not wait any more leaves nothing running.
pub(crate) async fn cancelled() {
    let context = Context::new(&[("Dockerfile", "FROM BUSYBOX\nCOPY id /\nRUN echo begun; sleep 1000\n")]);
    let of_ours = || {
        let all = docker(&["ps", "--no-trunc", "--format", "{{.ID}} {{.Command}}"]);
        all.lines().filter(|line| line.contains("sleep 1000")).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = of_ours();
    let engine = Engine::connect(docker_host().as_deref()).await.unwrap();
    let plan = context.plan();
    let (news_tx, mut news_rx) = mpsc::channel::<String>(1);
    let begun = async {
        while let Some(text) = news_rx.recv().await {
            if text == "begun\n" {
                return;
            }
        }
        panic!("it has ended");
    };
    tokio::select! {
        built = engine.build(&plan, None, &news_tx) => panic!("{built:?}"),
        () = begun => {}
    }
    wait_for("its end", async || of_ours() == before).await;
    assert_eq!(docker(&["images", "-q", &context.tag("built")]), "");
}
