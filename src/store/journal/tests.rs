//! Records: whole, torn, of another cycle, of another file.

use std::sync::Arc;

use redb::backends::InMemoryBackend;

use super::*;

/// Four pages.
const CAPACITY: usize = 4 * PAGE;
/// Bytes of a record of [`commit`] that is not the first; what comes after is padding.
const USED: usize = 64 + 13 + 100 + 13 + FILE_HEADER;

/// A file in memory, open as often as one likes.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<InMemoryBackend>);

impl Shared {
    fn of(content: &[u8]) -> Self {
        let file = Self::default();
        file.set_len(content.len() as u64).unwrap();
        file.write(0, content).unwrap();
        file
    }

    fn edit(&self, at: usize, edit: impl FnOnce(&mut u8)) {
        let mut byte = [0];
        self.read(at as u64, &mut byte).unwrap();
        edit(&mut byte[0]);
        self.write(at as u64, &byte).unwrap();
    }
}

impl StorageBackend for Shared {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        StorageBackend::read(&*self.0, offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The header of a file after its `n`th commit, which is in one slot, and the one before in the
/// other.
fn header(n: u8) -> Vec<u8> {
    let mut header = vec![0; FILE_HEADER];
    header[GOD_BYTE] = RECOVERY_REQUIRED;
    for commit in [n.saturating_sub(1), n] {
        let slot = &mut header[64 + SLOT * usize::from(commit % 2)..][..SLOT];
        slot.fill(100 + commit);
        let checksum = xxh3_128(&slot[..112]).to_le_bytes();
        slot[112..].copy_from_slice(&checksum);
    }
    header
}

/// What the `n`th commit writes: a page of its own, and the header.
fn commit(n: u8) -> Vec<Operation> {
    vec![
        Operation::Write { offset: 4_096 * u64::from(n), data: vec![n; 100] },
        Operation::Write { offset: 0, data: header(n) },
    ]
}

/// A database file after its first commit, and a journal with two more.
fn with_two_commits() -> (Shared, Shared) {
    let (database, file) = (Shared::of(&header(1)), Shared::of(&[0; CAPACITY]));
    let mut journal = open(&file);
    journal.append(&database, &commit(2)).unwrap();
    journal.append(&database, &commit(3)).unwrap();
    (database, file)
}

fn open(file: &Shared) -> Journal {
    Journal::new(Box::new(file.clone())).unwrap()
}

#[track_caller]
fn check_found(database: &Shared, file: &Shared, expected: &[Operation]) {
    match open(file).read(database).unwrap() {
        Found::Commits(found) => assert_eq!(found, expected),
        found => panic!("{found:?}"),
    }
}

/// The last of each place that was written to, in their order.
fn two_commits() -> Vec<Operation> {
    let mut all = commit(2);
    all.pop();
    all.extend(commit(3));
    all
}

#[test]
fn commits_are_found_in_order_without_what_a_later_one_overwrites() {
    let (database, file) = with_two_commits();
    check_found(&database, &file, &two_commits());
    // The file may have any of them already.
    for n in [2, 3] {
        database.write(0, &header(n)).unwrap();
        check_found(&database, &file, &two_commits());
    }
}

#[test]
fn an_empty_journal_tells_nothing() {
    let database = Shared::of(&header(1));
    for content in [vec![0; CAPACITY], vec![0xA5; CAPACITY], vec![0; 100], Vec::new()] {
        let file = Shared::of(&content);
        assert!(matches!(open(&file).read(&database), Ok(Found::Nothing)));
    }
    let (database, file) = with_two_commits();
    open(&file).forget().unwrap();
    assert!(matches!(open(&file).read(&database), Ok(Found::Nothing)));
}

/// A power cut tears the last one at most: it was not acknowledged.
#[test]
fn every_flipped_bit_of_the_last_record_leaves_it_out_and_nothing_else() {
    let record_bytes = usize::try_from(record::bytes(&commit(3), false)).unwrap();
    assert_eq!(record_bytes, PAGE);
    for bit in 0..USED * 8 {
        let (database, file) = with_two_commits();
        file.edit(PAGE + bit / 8, |byte| *byte ^= 1 << (bit % 8));
        check_found(&database, &file, &commit(2));
    }
}

/// ST-5: acknowledged commits are missed, not skipped.
#[test]
fn st_5_every_flipped_bit_of_an_earlier_record_is_reported() {
    for damaged in [0, 1] {
        for bit in 0..USED * 8 {
            let (database, file) = with_three_commits();
            file.edit(damaged * PAGE + bit / 8, |byte| *byte ^= 1 << (bit % 8));
            let found = open(&file).read(&database).unwrap();
            let is_told = matches!(found, Found::Damaged { record } if record == damaged as u64);
            assert!(is_told, "record {damaged}, bit {bit}: {found:?}");
        }
    }
}

/// A cycle's first record that is torn, whichever sectors of it were written, leaves older ones
/// behind it, which are no loss.
#[test]
fn a_torn_first_record_is_as_if_it_had_not_been_written() {
    let (database, file) = with_three_commits();
    database.write(0, &header(4)).unwrap();
    let mut journal = open(&file);
    journal.forget().unwrap();
    let content = |file: &Shared| {
        let mut content = vec![0; CAPACITY];
        file.read(0, &mut content).unwrap();
        content
    };
    let before = content(&file);
    let large = Operation::Write { offset: 4_096 * 5, data: vec![5; PAGE] };
    journal.append(&database, &[large]).unwrap();
    let after = content(&file);
    for written in 0..1 << 10_u32 {
        let mut torn = before.clone();
        for sector in (0..10).filter(|sector| written >> sector & 1 == 1) {
            let of = sector * SECTOR..(sector + 1) * SECTOR;
            torn[of.clone()].copy_from_slice(&after[of]);
        }
        let found = open(&Shared::of(&torn)).read(&database).unwrap();
        let is_whole = torn == after;
        assert!(matches!(found, Found::Nothing) != is_whole, "sectors {written:010b}: {found:?}");
    }
}

fn with_three_commits() -> (Shared, Shared) {
    let (database, file) = (Shared::of(&header(1)), Shared::of(&[0; CAPACITY]));
    let mut journal = open(&file);
    for n in 2..5 {
        journal.append(&database, &commit(n)).unwrap();
    }
    (database, file)
}

#[test]
fn a_record_has_room_as_far_as_there_are_pages() {
    let (_, file) = with_two_commits();
    let mut journal = open(&file);
    // Header, base, and the operation's own 13 bytes.
    let of = |bytes: usize| [Operation::Write { offset: 0, data: vec![1; bytes - 64 - 13] }];
    let first = CAPACITY - SLOTS;
    assert!(journal.has_room(&of(first)) && !journal.has_room(&of(first + 1)), "an empty one");
    let database = Shared::of(&header(1));
    journal.append(&database, &commit(2)).unwrap();
    assert!(journal.has_room(&of(3 * PAGE)) && !journal.has_room(&of(3 * PAGE + 1)));
}

/// What an older cycle left behind is no continuation, even where it lies just there.
#[test]
fn records_of_an_older_cycle_are_left_out() {
    let (database, file) = (Shared::of(&header(1)), Shared::of(&[0; CAPACITY]));
    let mut journal = open(&file);
    for n in 2..5 {
        journal.append(&database, &commit(n)).unwrap();
    }
    // The database is synced with all three.
    database.write(0, &header(4)).unwrap();
    journal.forget().unwrap();
    journal.append(&database, &commit(5)).unwrap();
    check_found(&database, &file, &commit(5));
}

/// A backup that was put in the file's place, also one of the state right before, or the file of
/// another store.
#[test]
fn a_file_in_another_state_is_told_from_the_one_that_the_journal_is_for() {
    let (database, file) = (Shared::of(&header(5)), Shared::of(&[0; CAPACITY]));
    open(&file).append(&database, &commit(6)).unwrap();
    for n in [0, 3, 4, 7, 9] {
        let other = Shared::of(&header(n));
        assert!(matches!(open(&file).read(&other), Ok(Found::Foreign)), "state {n}");
    }
    assert!(matches!(open(&file).read(&Shared::of(&[0; 10])), Ok(Found::Foreign)));
    // The very state that the journal began with, but closed.
    let mut closed = header(5);
    closed[GOD_BYTE] = 0;
    assert!(matches!(open(&file).read(&Shared::of(&closed)), Ok(Found::Foreign)));
}

/// The power fails while a commit's slot is written to the database file.
#[test]
fn a_file_whose_new_slot_is_torn_is_still_known() {
    let (database, file) = with_two_commits();
    for n in [1, 2, 3] {
        let mut torn = header(n);
        let at = 64 + SLOT * usize::from(n % 2);
        torn[at + 10..at + SLOT].fill(0xEE);
        database.write(0, &header(n - 1)).unwrap();
        database.write(0, &torn).unwrap();
        check_found(&database, &file, &two_commits());
    }
}
