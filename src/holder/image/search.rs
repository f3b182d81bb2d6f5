//! Which libraries the loader would load, and from where, in the order of ld.so(8): for each name
//! `RPATH`, `RUNPATH`, the loader's list, the usual folders. `LD_LIBRARY_PATH` is not followed,
//! since nobody sets it in the container.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::elf::{Elf, ElfError};
use super::{ImageError, cache};

const CACHE: &str = "/etc/ld.so.cache";

/// The list of a large installation has 300 KB.
const CACHE_MAX_BYTES: u64 = 16 << 20;

/// An executable of ours has four; an end, should libraries name ever more.
const LIBRARIES_MAX: usize = 1000;

/// Where the loaders of Debian (by machine), Fedora, SUSE and Arch look by themselves.
const USUAL: &[&str] = &["/lib64", "/usr/lib64", "/lib", "/usr/lib"];
const USUAL_OF_MACHINE: &[(u16, &str)] = &[
    (62, "/lib/x86_64-linux-gnu"),
    (62, "/usr/lib/x86_64-linux-gnu"),
    (183, "/lib/aarch64-linux-gnu"),
    (183, "/usr/lib/aarch64-linux-gnu"),
];

/// Those of musl (`ldso/dynlink.c`), which has no list.
const USUAL_OF_MUSL: &[&str] = &["/lib", "/usr/local/lib", "/usr/lib"];

/// Where a loader looks for everything.
#[derive(Debug)]
struct Loader {
    machine: u16,
    cache: Vec<u8>,
    usual: Vec<&'static str>,
}

/// A file whose libraries are to be found.
#[derive(Debug)]
struct Needer {
    path: PathBuf,
    elf: Elf,
    /// `RPATH`s of whoever led to it, the nearest first.
    inherited: Vec<PathBuf>,
}

/// The executable, its loader, and all libraries; the loader's list where one is found only there.
pub(super) fn files(executable: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let elf = read(executable)?;
    let mut files = vec![executable.to_owned()];
    let Some(interpreter) = elf.interpreter.clone().map(path) else {
        // The kernel starts it by itself.
        return Ok(files);
    };
    let loader = Loader::new(&interpreter, elf.machine)?;
    files.push(interpreter);
    // A name means the same library to all, the one that was found first.
    let mut found: BTreeMap<Vec<u8>, PathBuf> = BTreeMap::new();
    let mut needers = VecDeque::from([Needer { path: executable.to_owned(), elf, inherited: Vec::new() }]);
    while let Some(needer) = needers.pop_front() {
        let searched = needer.searched();
        for name in &needer.elf.needed {
            if found.contains_key(name) {
                continue;
            }
            let missing = || ImageError::Missing {
                name: String::from_utf8_lossy(name).into_owned(),
                needed_by: needer.path.clone(),
            };
            if found.len() >= LIBRARIES_MAX {
                return Err(missing());
            }
            let (path, elf) = loader.find(name, &searched).ok_or_else(missing)?;
            found.insert(name.clone(), path.clone());
            needers.push_back(Needer { path, elf, inherited: needer.rpaths() });
        }
    }
    let needs_cache = found.values().any(|path| loader.found_by_list_only(path));
    let libraries: BTreeSet<PathBuf> = found.into_values().filter(|path| !files.contains(path)).collect();
    files.extend(libraries);
    if needs_cache {
        files.push(CACHE.into());
    }
    Ok(files)
}

// === impl Loader ===

impl Loader {
    fn new(interpreter: &Path, machine: u16) -> Result<Self, ImageError> {
        let name = interpreter.file_name().unwrap_or_default();
        if name.as_bytes().starts_with(b"ld-musl-") {
            return Ok(Self { machine, cache: Vec::new(), usual: USUAL_OF_MUSL.to_vec() });
        }
        let of_machine =
            USUAL_OF_MACHINE.iter().filter(|(other, _)| *other == machine).map(|(_, folder)| *folder);
        Ok(Self { machine, cache: list()?, usual: of_machine.chain(USUAL.iter().copied()).collect() })
    }

    /// The first file of that name that it could load. One that cannot be read, or is for another
    /// machine, is passed over.
    fn find(&self, name: &[u8], searched: &[PathBuf]) -> Option<(PathBuf, Elf)> {
        let given = name.contains(&b'/').then(|| path(name.to_vec()));
        if given.is_some() {
            return given.and_then(|path| self.loadable(path));
        }
        let name_of = OsStr::from_bytes(name);
        let listed = cache::paths(&self.cache, name).into_iter().map(|listed| path(listed.to_vec()));
        let usual = self.usual.iter().map(|folder| Path::new(folder).join(name_of));
        let places = searched.iter().map(|folder| folder.join(name_of)).chain(listed).chain(usual);
        places.into_iter().find_map(|path| self.loadable(path))
    }

    fn loadable(&self, path: PathBuf) -> Option<(PathBuf, Elf)> {
        // What is found below the folder of a build would be another file below `/`.
        let elf = path.is_absolute().then(|| read(&path).ok())??;
        (elf.machine == self.machine).then_some((path, elf))
    }

    /// Whether the list says where it is and nothing else does.
    fn found_by_list_only(&self, path: &Path) -> bool {
        let is_usual =
            path.parent().is_some_and(|folder| self.usual.iter().any(|usual| folder == Path::new(usual)));
        let name = path.file_name().unwrap_or_default().as_bytes();
        !is_usual && cache::paths(&self.cache, name).contains(&path.as_os_str().as_bytes())
    }
}

// === impl Needer ===

impl Needer {
    /// Its own search path and what it inherits; `RUNPATH` makes an end of both `RPATH`s.
    fn searched(&self) -> Vec<PathBuf> {
        match &self.elf.runpath {
            Some(runpath) => self.folders(runpath),
            None => self.rpaths(),
        }
    }

    /// What its libraries inherit.
    fn rpaths(&self) -> Vec<PathBuf> {
        let own = match (&self.elf.runpath, &self.elf.rpath) {
            (None, Some(rpath)) => self.folders(rpath),
            _ => Vec::new(),
        };
        own.into_iter().chain(self.inherited.iter().cloned()).collect()
    }

    /// Folders between colons, in which `$ORIGIN` is the needer's own. Other words of the loader
    /// (`$LIB`, `$PLATFORM`) stay as they are, so that such folders are not found.
    fn folders(&self, paths: &[u8]) -> Vec<PathBuf> {
        let origin = self.path.parent().unwrap_or(Path::new("/")).as_os_str().as_bytes();
        let folders = paths.split(|byte| *byte == b':').filter(|folder| !folder.is_empty());
        folders.map(|folder| path(with_origin(folder, origin))).collect()
    }
}

fn with_origin(folder: &[u8], origin: &[u8]) -> Vec<u8> {
    for word in [&b"${ORIGIN}"[..], b"$ORIGIN"] {
        if let Some(rest) = folder.strip_prefix(word) {
            return [origin, rest].concat();
        }
    }
    folder.to_vec()
}

fn path(bytes: Vec<u8>) -> PathBuf {
    std::ffi::OsString::from_vec(bytes).into()
}

fn read(path: &Path) -> Result<Elf, ImageError> {
    let unread = |source| ImageError::Read { path: path.to_owned(), source };
    let mut file = std::fs::File::open(path).map_err(unread)?;
    match Elf::read(&mut file) {
        Ok(elf) => Ok(elf),
        Err(ElfError::Read(source)) => Err(unread(source)),
        Err(error) => Err(ImageError::Elf { path: path.to_owned(), found: error.to_string() }),
    }
}

/// The loader's list; a machine without one has none.
fn list() -> Result<Vec<u8>, ImageError> {
    let unread = |source| ImageError::Read { path: CACHE.into(), source };
    match std::fs::metadata(CACHE) {
        Ok(metadata) if metadata.len() > CACHE_MAX_BYTES => {
            let found = format!("it is longer than {CACHE_MAX_BYTES} bytes");
            Err(ImageError::Elf { path: CACHE.into(), found })
        }
        Ok(_) => std::fs::read(CACHE).map_err(unread),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(unread(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files that the kernel has mapped for this very process.
    fn mapped() -> BTreeSet<PathBuf> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
        paths.filter(|path| path.starts_with('/')).map(PathBuf::from).collect()
    }

    #[test]
    fn what_is_found_is_what_the_loader_has_loaded() {
        let executable = std::env::current_exe().unwrap().canonicalize().unwrap();
        let found = files(&executable).unwrap();
        assert_eq!(found[0], executable);
        let real = found.iter().map(|path| path.canonicalize().unwrap()).collect::<BTreeSet<_>>();
        assert_eq!(real, mapped());
    }

    #[test]
    fn a_search_path_is_that_of_the_nearest_and_ends_with_a_runpath() {
        let needer = |rpath: Option<&str>, runpath: Option<&str>| Needer {
            path: "/opt/x/bin/x".into(),
            elf: Elf {
                rpath: rpath.map(|path| path.as_bytes().to_vec()),
                runpath: runpath.map(|path| path.as_bytes().to_vec()),
                ..Elf::default()
            },
            inherited: vec!["/inherited".into()],
        };
        let check = |needer: Needer, searched: &[&str], rpaths: &[&str]| {
            let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
            assert_eq!((needer.searched(), needer.rpaths()), (paths(searched), paths(rpaths)));
        };
        check(needer(None, None), &["/inherited"], &["/inherited"]);
        check(
            needer(Some("$ORIGIN/../lib::/b"), None),
            &["/opt/x/bin/../lib", "/b", "/inherited"],
            &["/opt/x/bin/../lib", "/b", "/inherited"],
        );
        check(needer(Some("/a"), Some("${ORIGIN}")), &["/opt/x/bin"], &["/inherited"]);
    }

    #[test]
    fn what_is_not_there_is_named_with_who_needs_it() {
        let loader = Loader { machine: 62, cache: Vec::new(), usual: vec!["/nowhere"] };
        assert!(loader.find(b"libx.so.1", &[]).is_none());
        let error = files(Path::new("/etc/passwd")).unwrap_err().to_string();
        assert_eq!(error, "cannot tell what `/etc/passwd` needs: it is no ELF file");
    }
}
