//! Volumes as programs see them, with real files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn payload(files: &[(&str, &str)]) -> Payload {
    let mut payload = Payload::default();
    for (path, text) in files {
        let file = File { bytes: (*text).into(), mode: 0o644, owner: None };
        payload.insert(path, file).unwrap();
    }
    payload
}

fn volumes() -> (tempfile::TempDir, Volumes) {
    let dir = tempfile::tempdir().unwrap();
    let volumes = Volumes::open(&dir.path().join("volumes"), None).unwrap();
    (dir, volumes)
}

fn id(volume: &str) -> VolumeId {
    VolumeId::new("uid-1", volume).unwrap()
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

// === files ===

#[test]
fn files_are_links_through_the_current_version() {
    let (_dir, volumes) = volumes();
    let mut wanted = payload(&[("a", "1"), ("deep/er/b", "2")]);
    wanted.insert("secret", File { bytes: b"s".into(), mode: 0o400, owner: None }).unwrap();
    let (place, change) = volumes.files(&id("cfg"), Medium::Disk, &wanted).unwrap();
    let at = |name: &str| place.path.join(name);
    assert_eq!(change, Change::Replaced);
    assert_eq!(fs::read_to_string(at("a")).unwrap(), "1");
    assert_eq!(fs::read_to_string(at("deep/er/b")).unwrap(), "2");
    assert_eq!(fs::read_link(at("a")).unwrap(), Path::new("..data/a"));
    assert_eq!(fs::read_link(at("deep")).unwrap(), Path::new("..data/deep"));
    let version = fs::read_link(at("..data")).unwrap().into_os_string().into_string().unwrap();
    assert_eq!(names(&place.path), ["..data", &version, "a", "deep", "secret"].map(str::to_owned).into());
    assert_eq!(mode(at("..data/a")), 0o644);
    assert_eq!(mode(at("..data/secret")), 0o400);
    assert_eq!(mode(at(&version)), 0o755);
    assert_eq!(mode(at("..data/deep/er")), 0o755);
    assert_eq!(mode(place.path.parent().unwrap()), 0o700, "others of this machine stay out");
}

#[test]
fn an_unchanged_payload_writes_nothing() {
    let (_dir, volumes) = volumes();
    let write = |payload: &Payload| volumes.files(&id("cfg"), Medium::Disk, payload).unwrap();
    let wanted = payload(&[("a", "1"), ("d/b", "2")]);
    let (place, _) = write(&wanted);
    let state = || {
        let version = fs::read_link(place.path.join("..data")).unwrap();
        let found = fs::metadata(&place.path).unwrap();
        (version, found.mtime(), found.mtime_nsec())
    };
    let before = state();
    assert_eq!(write(&wanted).1, Change::Unchanged);
    assert_eq!(state(), before);
    for other in [
        payload(&[("a", "1"), ("d/b", "3")]),
        payload(&[("a", "1")]),
        payload(&[("a", "1"), ("d", "2")]),
        payload(&[("a", "1"), ("d/b", "2"), ("d/c", "")]),
        wanted,
    ] {
        assert_eq!(write(&other).1, Change::Replaced, "{:?}", other.paths());
        assert_eq!(write(&other).1, Change::Unchanged, "{:?}", other.paths());
    }
}

#[test]
fn files_that_went_away_go() {
    let (_dir, volumes) = volumes();
    let (place, _) = volumes.files(&id("cfg"), Medium::Disk, &payload(&[("a", "1"), ("d/b", "2")])).unwrap();
    volumes.files(&id("cfg"), Medium::Disk, &payload(&[("c", "3")])).unwrap();
    let shown: Vec<_> = names(&place.path).into_iter().filter(|name| !name.starts_with("..")).collect();
    assert_eq!(shown, ["c"]);
    let hidden = names(&place.path).into_iter().filter(|name| name.starts_with("..")).count();
    assert_eq!(hidden, 2, "`..data` and one version");
}

#[test]
fn what_a_crash_has_left_is_put_right() {
    let (_dir, volumes) = volumes();
    let wanted = payload(&[("a", "1")]);
    let (place, _) = volumes.files(&id("cfg"), Medium::Disk, &wanted).unwrap();
    fs::remove_file(place.path.join("a")).unwrap();
    fs::create_dir(place.path.join("..2020_01_01_00_00_00.1")).unwrap();
    symlink("..2020_01_01_00_00_00.1", place.path.join("..data_tmp")).unwrap();
    let (_, change) = volumes.files(&id("cfg"), Medium::Disk, &wanted).unwrap();
    assert_eq!(change, Change::Unchanged);
    assert_eq!(fs::read_to_string(place.path.join("a")).unwrap(), "1");
    assert_eq!(names(&place.path).len(), 3);
}

/// A reader that opens `..data` once has one version, whole, or finds it deleted and opens it again.
#[test]
fn a_reader_sees_the_old_or_the_new_whole() {
    let (_dir, volumes) = volumes();
    let version = |n: u32| payload(&[("a", &n.to_string()), ("d/b", &n.to_string()), ("c", &n.to_string())]);
    let (place, _) = volumes.files(&id("cfg"), Medium::Disk, &version(0)).unwrap();
    let is_done = AtomicBool::new(false);
    let (n_whole, last) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut n_whole, mut last) = (0, 0);
            // The last round begins after the last swap, so it sees that one.
            loop {
                let is_last = is_done.load(Ordering::SeqCst);
                if let Some(seen) = read_whole(&place.path) {
                    assert!(seen.iter().all(|text| *text == seen[0]), "a mixture: {seen:?}");
                    let seen: u32 = seen[0].parse().unwrap();
                    assert!(seen >= last, "{seen} after {last}");
                    (n_whole, last) = (n_whole + 1, seen);
                }
                if is_last {
                    return (n_whole, last);
                }
            }
        });
        for n in 1..=200 {
            volumes.files(&id("cfg"), Medium::Disk, &version(n)).unwrap();
        }
        is_done.store(true, Ordering::SeqCst);
        reader.join().unwrap()
    });
    assert_eq!(last, 200);
    assert!(n_whole > 1, "the reader has read {n_whole} times");
}

fn read_whole(volume: &Path) -> Option<Vec<String>> {
    let version = volume.join(fs::read_link(volume.join("..data")).expect("the link is always there"));
    ["a", "d/b", "c"].iter().map(|name| fs::read_to_string(version.join(name)).ok()).collect()
}

/// What a pod's programs put in the writer's way is no way out.
#[test]
fn links_of_strangers_are_not_followed_by_the_writer() {
    let (dir, volumes) = volumes();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a"), "1").unwrap();
    let wanted = payload(&[("a", "1"), ("d/b", "2")]);
    let (place, _) = volumes.files(&id("cfg"), Medium::Disk, &wanted).unwrap();
    for target in [outside.clone(), PathBuf::from(".."), PathBuf::from("..x/../../../outside")] {
        fs::remove_file(place.path.join("..data")).unwrap();
        symlink(&target, place.path.join("..data")).unwrap();
        symlink(&outside, place.path.join("..evil")).unwrap();
        fs::remove_file(place.path.join("d")).unwrap();
        symlink(&outside, place.path.join("d")).unwrap();
        let (_, change) = volumes.files(&id("cfg"), Medium::Disk, &wanted).unwrap();
        assert_eq!(change, Change::Replaced, "{target:?}");
        assert_eq!(fs::read_to_string(place.path.join("d/b")).unwrap(), "2");
    }
    // A directory of the current version that was replaced by a link to the same contents.
    fs::write(outside.join("b"), "2").unwrap();
    fs::remove_dir_all(place.path.join("..data/d")).unwrap();
    symlink(&outside, place.path.join("..data/d")).unwrap();
    assert_eq!(volumes.files(&id("cfg"), Medium::Disk, &wanted).unwrap().1, Change::Replaced);
    assert_eq!(names(&outside), ["a", "b"].map(str::to_owned).into());
}

// === empty directories, groups, places ===

#[test]
fn an_empty_directory_is_everybodys_and_keeps_what_it_holds() {
    let (_dir, volumes) = volumes();
    let place = volumes.empty_dir(&id("tmp"), Medium::Disk, None).unwrap();
    assert_eq!(mode(&place.path), 0o777);
    fs::write(place.path.join("kept"), "").unwrap();
    assert_eq!(volumes.empty_dir(&id("tmp"), Medium::Disk, None).unwrap(), place);
    assert_eq!(names(&place.path), ["kept".to_owned()].into());
}

/// With a group of our own, which everybody may give; root's tests may give any.
#[test]
fn a_group_gets_what_kubernetes_gives_it() {
    let (_dir, volumes) = volumes();
    let group = rustix::process::getegid().as_raw();
    let place = volumes.empty_dir(&id("tmp"), Medium::Disk, Some(group)).unwrap();
    assert_eq!(mode(&place.path), 0o2777);
    let mut wanted = Payload { group: Some(group), ..Payload::default() };
    wanted.insert("d/token", File { bytes: b"t".into(), mode: 0o600, owner: None }).unwrap();
    let (place, _) = volumes.files(&id("cfg"), Medium::Disk, &wanted).unwrap();
    assert_eq!(mode(place.path.join("..data/d/token")), 0o640);
    assert_eq!(mode(place.path.join("..data/d")), 0o2755);
    assert_eq!(fs::metadata(place.path.join("d/token")).unwrap().gid(), group);
    assert_eq!(volumes.files(&id("cfg"), Medium::Disk, &wanted).unwrap().1, Change::Unchanged);
}

#[test]
fn memory_is_used_only_where_it_is_memory() {
    let (dir, _) = volumes();
    let other = dir.path().join("other");
    let volumes = Volumes::open(&dir.path().join("volumes"), Some(&other)).unwrap();
    let place = volumes.files(&id("s"), Medium::Memory, &payload(&[("a", "1")])).unwrap().0;
    let is_tmpfs = Volumes::open(&other, None).unwrap().has_memory();
    assert_eq!((place.is_in_memory, volumes.has_memory()), (is_tmpfs, is_tmpfs));
    let lies_in = if is_tmpfs { "other" } else { "volumes" };
    assert!(place.path.starts_with(dir.path().canonicalize().unwrap().join(lies_in)), "{place:?}");
}

#[test]
fn a_place_is_ours_alone_and_no_link() {
    let dir = tempfile::tempdir().unwrap();
    let check = |name: &str, wanted: &str| {
        let found = Volumes::open(&dir.path().join(name), None).unwrap_err().to_string();
        assert!(found.ends_with(wanted), "{found}");
    };
    fs::create_dir_all(dir.path().join("own/sub")).unwrap();
    fs::set_permissions(dir.path().join("own"), PermissionsExt::from_mode(0o700)).unwrap();
    symlink("own", dir.path().join("link")).unwrap();
    check("link", "link");
    fs::create_dir(dir.path().join("open")).unwrap();
    fs::set_permissions(dir.path().join("open"), PermissionsExt::from_mode(0o755)).unwrap();
    check("open", "open is not this user's alone");
    assert_eq!(Volumes::open(&dir.path().join("own"), None).unwrap().pods().unwrap().len(), 1);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for (uid, volume) in [("..", "v"), ("", "v"), ("a/b", "v"), ("u", "../v"), ("u", "."), ("u", "a\0")] {
        assert!(matches!(VolumeId::new(uid, volume), Err(VolumeError::Name { .. })), "{uid:?} {volume:?}");
    }
    let (_dir, volumes) = volumes();
    assert!(volumes.remove_pod("../outside").is_err());
}

// === removal ===

#[test]
fn removal_never_leaves_the_volume() {
    let (dir, volumes) = volumes();
    let outside = dir.path().join("outside");
    fs::create_dir_all(outside.join("sub")).unwrap();
    fs::write(outside.join("sub/precious"), "p").unwrap();
    fs::set_permissions(&outside, PermissionsExt::from_mode(0o750)).unwrap();
    let place = volumes.empty_dir(&id("tmp"), Medium::Disk, None).unwrap();
    symlink(&outside, place.path.join("link")).unwrap();
    symlink("../../../outside/sub", place.path.join("relative")).unwrap();
    symlink("link", place.path.join("chain")).unwrap();
    fs::hard_link(outside.join("sub/precious"), place.path.join("hard")).unwrap();
    fs::create_dir(place.path.join("dir")).unwrap();
    symlink(&outside, place.path.join("dir/link")).unwrap();
    volumes.remove_pod("uid-1").unwrap();
    assert_eq!(fs::read_to_string(outside.join("sub/precious")).unwrap(), "p");
    assert_eq!(mode(&outside), 0o750);
    assert!(!place.path.exists());
    assert_eq!(volumes.pods().unwrap(), BTreeSet::new());
}

/// A volume that is a link itself, in the place of the directory that was made.
#[test]
fn a_volume_that_became_a_link_is_deleted_as_one() {
    let (dir, volumes) = volumes();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "").unwrap();
    let place = volumes.empty_dir(&id("tmp"), Medium::Disk, None).unwrap();
    fs::remove_dir(&place.path).unwrap();
    symlink(&outside, &place.path).unwrap();
    assert!(volumes.empty_dir(&id("tmp"), Medium::Disk, None).is_err());
    volumes.remove_volume(&id("tmp")).unwrap();
    volumes.remove_volume(&id("tmp")).unwrap();
    assert!(!place.path.is_symlink());
    assert_eq!(names(&outside).len(), 1);
}

#[test]
fn hostile_names_and_modes_are_deleted() {
    let (_dir, volumes) = volumes();
    let place = volumes.empty_dir(&id("tmp"), Medium::Disk, None).unwrap();
    for name in ["-rf", " ", "a\nb", "*", "..removing.x", "1", "2", "..data", "\u{202e}"] {
        fs::create_dir_all(place.path.join(name).join("1/2")).unwrap();
        fs::write(place.path.join(name).join("1/file"), "").unwrap();
    }
    for (name, mode) in [("-rf/1", 0o000), ("*/1/2", 0o000), ("1", 0o500), ("2/1", 0o111)] {
        fs::set_permissions(place.path.join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path.join("fifo"), rustix::fs::Mode::RWXU).unwrap();
    fs::set_permissions(&place.path, PermissionsExt::from_mode(0o000)).unwrap();
    volumes.remove_pod("uid-1").unwrap();
    assert_eq!(names(place.path.parent().unwrap().parent().unwrap()), BTreeSet::new());
}

/// Deeper than a path can be long, and than descriptors or a stack would last.
#[test]
fn deep_trees_are_deleted() {
    let (_dir, volumes) = volumes();
    let place = volumes.empty_dir(&id("tmp"), Medium::Disk, None).unwrap();
    let mut folder = folder::Folder::open(&place.path).unwrap();
    let name = "d".repeat(100);
    for _ in 0..1500 {
        folder = folder.make(name.as_ref()).unwrap();
    }
    drop(folder);
    volumes.remove_pod("uid-1").unwrap();
    assert!(!place.path.exists());
}

#[test]
fn deletions_that_were_cut_short_are_finished() {
    let (dir, volumes) = volumes();
    let place = volumes.empty_dir(&id("tmp"), Medium::Disk, None).unwrap();
    let root = place.path.parent().unwrap().parent().unwrap();
    fs::create_dir_all(root.join("..removing.9/1/left")).unwrap();
    assert_eq!(volumes.pods().unwrap(), ["uid-1".to_owned()].into());
    drop(volumes);
    Volumes::open(&dir.path().join("volumes"), None).unwrap();
    assert_eq!(names(root), ["uid-1".to_owned()].into());
}

// === last words ===

#[test]
fn of_what_a_container_says_the_end_is_kept_and_a_start_begins_anew() {
    let (_dir, volumes) = volumes();
    let read = |max_bytes| volumes.last_words("uid-1", "app", max_bytes).unwrap();
    assert_eq!(read(9), None);
    let path = volumes.new_last_words("uid-1", "app").unwrap();
    assert_eq!((mode(&path), read(9)), (0o666, Some(Vec::new())));
    fs::write(&path, "no disk").unwrap();
    assert_eq!((read(9), read(4)), (Some(b"no disk".to_vec()), Some(b"disk".to_vec())));
    assert_eq!(volumes.last_words("uid-1", "other", 9).unwrap(), None);
    assert_eq!(volumes.new_last_words("uid-1", "app").unwrap(), path);
    assert_eq!(read(9), Some(Vec::new()));
    volumes.remove_pod("uid-1").unwrap();
    assert_eq!((path.exists(), read(9)), (false, None));
    assert!(volumes.new_last_words("uid-1", "../app").is_err());
}
