//! The gate against a backend without one.

use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;
use redb::backends::InMemoryBackend;

use super::*;
use crate::journal::Found;

/// A backend whose content can be looked at from outside.
#[derive(Clone, Debug)]
struct Shared {
    content: Arc<InMemoryBackend>,
    /// Operations that still succeed.
    n_left: Arc<AtomicUsize>,
}

impl Shared {
    fn holding(content: &[u8]) -> Self {
        let backend = Self { content: Arc::default(), n_left: Arc::new(AtomicUsize::new(usize::MAX)) };
        backend.set_len(content.len() as u64).unwrap();
        backend.write(0, content).unwrap();
        backend
    }

    fn fail_after(&self, n_operations: usize) {
        self.n_left.store(n_operations, Ordering::SeqCst);
    }

    fn count(&self) -> io::Result<()> {
        let counted = |n_left: usize| n_left.checked_sub(1);
        let counted = self.n_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, counted);
        counted.map(drop).map_err(|_| io::Error::other("injected"))
    }

    fn content(&self) -> Vec<u8> {
        let mut content = vec![0; usize::try_from(self.len().unwrap()).unwrap()];
        self.read(0, &mut content).unwrap();
        content
    }
}

impl StorageBackend for Shared {
    fn len(&self) -> io::Result<u64> {
        self.content.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        StorageBackend::read(&*self.content, offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.count()?;
        self.content.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.count()?;
        self.content.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.count()?;
        // As a file does: where a release is repeated, its end may be further on by now.
        let end = offset + data.len() as u64;
        if end > self.content.len()? {
            self.content.set_len(end)?;
        }
        StorageBackend::write(&*self.content, offset, data)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write { at: u64, data: Vec<u8> },
    SetLen(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..60u64, proptest::collection::vec(1..255u8, 1..20))
            .prop_map(|(at, data)| Step::Write { at, data }),
        1 => (0..80u64).prop_map(Step::SetLen),
    ]
}

fn perform(backend: &dyn StorageBackend, step: &Step) {
    match step {
        // redb grows the file before it writes there.
        Step::Write { at, data } if at + data.len() as u64 <= backend.len().unwrap() => {
            backend.write(*at, data).unwrap();
        }
        Step::Write { .. } => {}
        Step::SetLen(len) => backend.set_len(*len).unwrap(),
    }
}

proptest! {
    #[test]
    fn held_writes_read_as_written_and_reach_the_file_only_when_released(
        content in proptest::collection::vec(any::<u8>(), 0..64),
        steps in proptest::collection::vec(step(), 0..20),
        fails_after in 0..20usize,
    ) {
        let direct = Shared::holding(&content);
        let behind = Shared::holding(&content);
        let gated = Gated::hold(Box::new(behind.clone()));
        for step in &steps {
            perform(&direct, step);
            perform(&gated, step);
            let expected = direct.content();
            prop_assert_eq!(gated.len().unwrap(), expected.len() as u64);
            for at in [0, expected.len() / 2] {
                let mut part = vec![0; expected.len() - at];
                gated.read(at as u64, &mut part).unwrap();
                prop_assert_eq!(&part, &expected[at..]);
            }
            prop_assert_eq!(behind.content(), content.clone());
        }
        // A release that fails on the way changes nothing for readers, and can be had again.
        behind.fail_after(fails_after);
        let released = gated.release();
        prop_assert_eq!(gated.is_holding(), released.is_err());
        let mut whole = vec![0; direct.content().len()];
        gated.read(0, &mut whole).unwrap();
        prop_assert_eq!(&whole, &direct.content());
        behind.fail_after(usize::MAX);
        if released.is_err() {
            gated.release().unwrap();
        }
        prop_assert_eq!(behind.content(), direct.content());
    }
}

#[test]
fn a_fence_refuses_writes_and_forgets_what_was_held() {
    let behind = Shared::holding(b"before");
    let gated = Gated::hold(Box::new(behind.clone()));
    gated.write(0, b"x").unwrap();
    gated.fence();
    gated.write(0, b"y").unwrap_err();
    gated.set_len(1).unwrap_err();
    gated.sync_data().unwrap_err();
    let mut content = [0; 6];
    gated.read(0, &mut content).unwrap();
    assert_eq!(&content, b"before");
    assert_eq!(behind.content(), b"before");
}

/// A journal's bytes, with something that happens while they are synced.
#[derive(Debug)]
struct Syncing {
    content: Shared,
    writes_to: Arc<Mutex<Option<Gated>>>,
}

impl StorageBackend for Syncing {
    fn len(&self) -> io::Result<u64> {
        self.content.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.content.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.content.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.writes_to.lock().unwrap().take() {
            Some(gated) => gated.write(0x2000, b"late"),
            None => Ok(()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.content.write(offset, data)
    }
}

/// A reader that makes room in redb's cache writes at any time.
#[test]
fn what_is_written_while_a_commit_is_sealed_is_of_the_next_one() {
    let mut file = vec![0; 0x3000];
    // As that of a database that is open.
    file[9] = 2;
    let (behind, journal) = (Shared::holding(&file), Shared::holding(&[0; 0x8000]));
    let writes_to = Arc::new(Mutex::new(None));
    let syncing = Syncing { content: journal.clone(), writes_to: writes_to.clone() };
    let gated =
        Gated::hold_with(Box::new(behind.clone()), Journal::new(Box::new(syncing)).unwrap(), Vec::new());
    gated.release().unwrap();
    let read = |gated: &Gated, at: u64| {
        let mut found = [0; 4];
        gated.read(at, &mut found).unwrap();
        found
    };
    let after_a_crash = |at: u64| {
        let mut journal = Journal::new(Box::new(journal.clone())).unwrap();
        let Found::Commits(found) = journal.read(&behind).unwrap() else { panic!("there are commits") };
        read(&Gated::hold_with(Box::new(behind.clone()), journal, found), at)
    };

    gated.write(0x1000, b"page").unwrap();
    assert_eq!((read(&gated, 0x1000), read(&gated, 0x2000)), (*b"page", [0; 4]));
    *writes_to.lock().unwrap() = Some(gated.clone());
    gated.seal().unwrap();
    assert_eq!((read(&gated, 0x1000), read(&gated, 0x2000)), (*b"page", *b"late"));
    assert_eq!((after_a_crash(0x1000), after_a_crash(0x2000)), (*b"page", [0; 4]));
    gated.seal().unwrap();
    assert_eq!(after_a_crash(0x2000), *b"late");
    gated.settle().unwrap();
    assert_eq!(read(&gated, 0x2000), *b"late");
}
