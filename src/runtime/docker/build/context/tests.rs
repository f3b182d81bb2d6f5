//! Trees that mean well, and trees that do not.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn context(root: &Path, ignore: &str) -> Context {
    Context {
        root: root.to_owned(),
        ignore: Ignore::parse(ignore).unwrap(),
        dockerfile: "Dockerfile".to_owned(),
        foreign: None,
    }
}

/// Files with their names as content; a name with a slash at its end is a folder.
fn tree(names: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in names {
        let path = root.path().join(name);
        if name.ends_with('/') {
            std::fs::create_dir_all(path).unwrap();
            continue;
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    root
}

/// The archive as another implementation reads it: content by name, of links where they lead.
fn sent(context: &Context) -> io::Result<BTreeMap<String, String>> {
    let mut archive = Vec::new();
    context.write(&mut archive)?;
    let mut found = BTreeMap::new();
    for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        assert_eq!((entry.header().uid().unwrap(), entry.header().gid().unwrap()), (0, 0));
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut content = String::new();
        match entry.link_name_bytes() {
            Some(target) => content = format!("-> {}", String::from_utf8_lossy(&target)),
            None => drop(entry.read_to_string(&mut content).unwrap()),
        }
        assert!(found.insert(name.clone(), content).is_none(), "{name} is there twice");
    }
    Ok(found)
}

fn names(context: &Context) -> Vec<String> {
    sent(context).unwrap().into_keys().collect()
}

fn refusal(context: &Context) -> String {
    sent(context).unwrap_err().to_string()
}

#[test]
fn what_is_left_out_is_not_sent_and_the_dockerfile_always_is() {
    let root =
        tree(&["Dockerfile", ".dockerignore", "src/a.rs", "src/b.o", "target/x/y", "docs/in", "docs/out"]);
    let of = |ignore: &str| names(&context(root.path(), ignore));
    assert_eq!(
        of("target\n**/*.o\ndocs\n!docs/in"),
        ["./", ".dockerignore", "Dockerfile", "docs/in", "src/", "src/a.rs"]
    );
    assert_eq!(of("**"), ["./", ".dockerignore", "Dockerfile"]);
    let mut deep = context(root.path(), "*");
    deep.dockerfile = "target/x/y".to_owned();
    assert_eq!(names(&deep), ["./", ".dockerignore", "target/x/y"]);
}

#[test]
fn a_folder_that_is_left_out_is_not_even_opened() {
    let root = tree(&["Dockerfile", "secret/"]);
    let secret = root.path().join("secret");
    rustix::fs::mkfifoat(rustix::fs::CWD, secret.join("pipe"), Mode::RUSR).unwrap();
    assert_eq!(names(&context(root.path(), "secret")), ["./", "Dockerfile"]);
    let told = refusal(&context(root.path(), ""));
    assert_eq!(
        told,
        "`secret/pipe`: it is a named pipe, which no context can have: name it in `.dockerignore`"
    );
}

#[test]
fn links_are_sent_as_links_and_lead_nowhere() {
    let outside = tree(&["passwd"]);
    let root = tree(&["Dockerfile"]);
    let at = |name: &str| root.path().join(name);
    symlink(outside.path(), at("folder")).unwrap();
    symlink(outside.path().join("passwd"), at("file")).unwrap();
    symlink("../../..", at("up")).unwrap();
    symlink(".", at("loop")).unwrap();
    symlink(format!("./{}", "long/".repeat(50)), at("long")).unwrap();
    let found = sent(&context(root.path(), "")).unwrap();
    assert_eq!(found["folder"], format!("-> {}", outside.path().display()));
    assert_eq!(found["file"], format!("-> {}/passwd", outside.path().display()));
    assert_eq!((&*found["up"], &*found["loop"]), ("-> ../../..", "-> ."));
    assert_eq!(found["long"], format!("-> ./{}", "long/".repeat(50)));
    assert_eq!(found.len(), 7);
}

#[test]
fn names_of_any_bytes_and_lengths_come_whole() {
    let long = "n".repeat(200);
    let deep = ["d"; 120].join("/") + "/file";
    let root = tree(&["Dockerfile", &long, &deep, " spaces ", "..dots", "back\\slash", "new\nline"]);
    std::fs::write(root.path().join(OsStr::from_bytes(b"\xff\xfe")), "x").unwrap();
    let found = sent(&context(root.path(), "")).unwrap();
    for name in [&*long, &*deep, " spaces ", "..dots", "back\\slash", "new\nline"] {
        assert_eq!(found.get(name).map(String::as_str), Some(name), "{name:?}");
    }
    assert_eq!(found["\u{fffd}\u{fffd}"], "x");
    assert!(!names(&context(root.path(), "??")).contains(&"\u{fffd}\u{fffd}".to_owned()));
}

#[test]
fn modes_and_times_are_kept() {
    let root = tree(&["Dockerfile", "run"]);
    let run = File::options().write(true).open(root.path().join("run")).unwrap();
    run.set_permissions(std::fs::Permissions::from_mode(0o4751)).unwrap();
    run.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_234_567_890)).unwrap();
    let mut archive = Vec::new();
    context(root.path(), "Dockerfile").write(&mut archive).unwrap();
    let mut archive = tar::Archive::new(&archive[..]);
    let entry = archive.entries().unwrap().map(Result::unwrap).find(|entry| &*entry.path_bytes() == b"run");
    let entry = entry.unwrap();
    assert_eq!(entry.header().mode().unwrap() & 0o7777, 0o4751);
    assert_eq!(entry.header().mtime().unwrap(), 1_234_567_890);
}

#[test]
fn folders_without_end_are_refused() {
    let root = tree(&["Dockerfile", &"d/".repeat(DEPTH_MAX + 1)]);
    let told = refusal(&context(root.path(), ""));
    assert!(told.ends_with("it is below more than 256 folders"), "{told}");
    assert_eq!(names(&context(root.path(), "d")), ["./", "Dockerfile"]);
}

#[test]
fn a_dockerfile_from_elsewhere_comes_under_a_name_that_is_left_out_of_copies() {
    let root = tree(&["a", ".dockerignore"]);
    let mut context = context(root.path(), "b");
    context.dockerfile = ".dockerfile.1".to_owned();
    for (ignore_file, wanted) in
        [(Some(b"b".to_vec()), "b\n.dockerfile.1\n"), (None, ".dockerignore\n.dockerfile.1\n")]
    {
        context.foreign = Some(Foreign { dockerfile: b"FROM scratch".to_vec(), ignore_file });
        let found = sent(&context).unwrap();
        assert_eq!((&*found[".dockerfile.1"], &*found[".dockerignore"]), ("FROM scratch", wanted));
    }
}

#[test]
fn a_file_that_grows_as_it_is_read_makes_no_archive() {
    let root = tree(&["Dockerfile", "log"]);
    /// Somebody who writes into the file as soon as anything of it has come.
    struct Grower(PathBuf);
    impl Write for Grower {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.starts_with(b"log") {
                File::options().append(true).open(&self.0)?.write_all(b"more")?;
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = context(root.path(), "").write(Grower(root.path().join("log"))).unwrap_err();
    assert_eq!(error.to_string(), "`log`: it has changed while it was read");
}

#[tokio::test]
async fn memory_does_not_grow_with_the_context() {
    let root = tree(&["Dockerfile"]);
    // Sparse: it takes no room, and is read as zeros.
    File::create(root.path().join("huge")).unwrap().set_len(64 * 1024 * 1024).unwrap();
    let context = context(root.path(), "");
    let mut pieces_rx = super::super::archive::pieces(move |to| context.write(to));
    let mut n_bytes = 0;
    while let Some(piece) = pieces_rx.recv().await {
        let piece = piece.unwrap();
        assert!(piece.len() <= 128 * 1024 && pieces_rx.len() <= 4, "it is sent as it is read");
        n_bytes += piece.len();
    }
    assert!(n_bytes > 64 * 1024 * 1024, "{n_bytes}");
}

proptest! {
    /// Whatever is sent is a path below the root, is there, and is no more than what is there.
    #[test]
    fn nothing_comes_that_is_not_there(
        files in proptest::collection::vec("[ab.]{1,3}(/[ab.]{1,3}){0,2}", 1..8),
        lines in proptest::collection::vec("!?[ab.*?/]{1,6}", 0..5),
    ) {
        let root = tempfile::tempdir().unwrap();
        for file in files.iter().filter(|file| !file.split('/').any(|name| matches!(name, "." | ".."))) {
            let path = root.path().join(file);
            let _ = std::fs::create_dir_all(path.parent().unwrap());
            let _ = std::fs::write(path, file);
        }
        if let Ok(ignore) = Ignore::parse(&lines.join("\n")) {
            let mut context = context(root.path(), "");
            let all = names(&context);
            context.ignore = ignore;
            for name in names(&context) {
                prop_assert!(all.contains(&name) && root.path().join(&name).exists(), "{name}");
            }
        }
    }
}
