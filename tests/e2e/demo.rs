//! `spur demo`.

use std::path::Path;

use crate::harness::{Data, command, processes};

/// What demos left in a home. The register of ports is everybody's and stays.
fn left_in(home: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(home).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let environments = std::fs::read_dir(home.join(".local/state/spur/environments"));
    assert_eq!(environments.map_or(0, Iterator::count), 0, "an environment is still written down");
    names.filter(|name| !name.starts_with("spur-ports-") && name != ".local").collect()
}

#[tokio::test]
async fn the_demo_shows_both_ways_and_leaves_nothing() {
    let home = Data::new();
    let mut demo = command::spur(home.home());
    demo.args(["demo", "--exit"]);
    let output = command::run(demo).await.ok();
    let output = output.prints(&[
        "without a key",
        "with spur-key: ",
        "◆pricing v2-cheaper",
        "pricing v1",
        "12.00 EUR",
        "10.80 EUR",
    ]);
    let line = |start: &str| {
        let found = output.stdout.lines().map(str::trim).find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no line starts with `{start}`:\n{}", output.stdout)).to_owned()
    };
    let preview = line("http://cheaper--frontend.default.localhost:");
    assert!(preview.ends_with('/'), "{preview}");
    assert!(line("export KUBECONFIG=").ends_with("kubeconfig"));
    let curl = line("curl -H 'spur-key: ");
    assert!(curl.contains("'http://frontend.default.localhost:"), "{curl}");
    let both = output.stdout.lines().find(|line| line.contains("12.00 EUR")).unwrap();
    assert!(both.contains("10.80 EUR"), "the prices stand side by side: {both}");
    assert!(!output.stdout.contains('\u{1b}'), "no colour where nobody looks");
    output.tells(&["the shop is ready", "sandbox `cheaper`"]);
    assert_eq!(left_in(home.home()), [""; 0], "nothing is left");
}

#[tokio::test]
async fn a_demo_without_a_terminal_ends_by_itself_and_keeps_what_it_is_told_to() {
    let home = Data::new();
    let mut demo = command::spur(home.home());
    demo.args(["demo", "--keep"]);
    let output = command::run(demo).await.ok();
    let kept = output.stderr.lines().find_map(|line| line.strip_prefix("kept ")).expect("it says where");
    let data = Path::new(kept).join("data");
    assert!(data.join("kubeconfig").is_file(), "{kept}");
    assert_eq!(processes::of_pods(&data), []);
}

#[tokio::test]
async fn ctrl_c_in_a_demo_tears_it_down() {
    let home = Data::new();
    let mut demo = command::spur(home.home());
    demo.args(["demo", "--exit"]).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = demo.spawn().unwrap();
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stderr.take().unwrap()));
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("spur runs") {
            break;
        }
    }
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    while lines.next_line().await.unwrap().is_some() {}
    let status = child.wait().await.unwrap();
    assert_eq!(status.code(), Some(130));
    assert_eq!(left_in(home.home()), [""; 0], "nothing is left");
}
