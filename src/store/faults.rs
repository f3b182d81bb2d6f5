//! A disk that fails on demand, fills up, and remembers what a power cut would leave; for tests.

mod tests;

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use redb::StorageBackend;
use uuid::Uuid;

use crate::backend::Gated;
use crate::disk::Disk;
use crate::open::{self, Foreign};
use crate::tables::{self, Fault, Identity};
use crate::{Options, Store};

/// What a file system gives out at once.
const BLOCK: u64 = 4_096;

/// A disk in memory; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultyDisk {
    image: Arc<Mutex<Image>>,
    faults: Arc<RwLock<Faults>>,
}

/// One of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Database = 0,
    Journal = 1,
}

/// An open file.
#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    name: Name,
}

/// Operations that are going to fail.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// The write or sync that fails, counted from now on.
    pub(crate) operation: Option<u32>,
    /// Whether all after it fail too.
    pub(crate) lasts: bool,
    /// So many openings fail.
    pub(crate) openings: u32,
    /// Whether what fails says that the disk is full, instead of an error of the device.
    pub(crate) is_full: bool,
}

/// What a power cut at one moment would leave, and what was acknowledged by then.
#[derive(Clone, Debug)]
pub(crate) struct PowerCut {
    /// Of each file, by name.
    contents: [Vec<u8>; 2],
    pub(crate) acknowledged: u64,
}

#[derive(Debug, Default)]
struct Image {
    /// By name.
    files: [Content; 2],
    capacity_bytes: Option<u64>,
    ballast_bytes: u64,
    wanted_ballast_bytes: u64,
    acknowledged: u64,
    records_power_cuts: bool,
    power_cuts: Vec<PowerCut>,
    random: u64,
}

#[derive(Debug, Default)]
struct Content {
    live: Vec<u8>,
    /// Blocks that take space: those ever written. A longer file alone takes none.
    blocks: BTreeSet<u64>,
    /// The content of the last completed sync.
    durable: Vec<u8>,
    /// Writes since.
    unsynced: Vec<(u64, Vec<u8>)>,
}

// === impl FaultyDisk ===

impl FaultyDisk {
    /// A disk with an empty database on it.
    pub(crate) fn formatted(options: &Options) -> Self {
        let disk = Self::default();
        disk.image().format(options);
        let gated = Gated::hold(disk.backend().unwrap());
        let database = redb::Builder::new().create_with_backend(gated.clone()).unwrap();
        gated.release().unwrap();
        tables::initialise(&database, Identity { cluster: Uuid::nil(), generation: 1 }).unwrap();
        disk
    }

    /// A disk as a power cut left one.
    pub(crate) fn after(power_cut: &PowerCut) -> Self {
        let disk = Self::default();
        for (file, content) in disk.image().files.iter_mut().zip(&power_cut.contents) {
            file.live.clone_from(content);
        }
        disk
    }

    /// Opens a store on the disk.
    pub(crate) fn open(&self, options: &Options) -> Store {
        self.try_open(options).expect("the disk has a database")
    }

    /// Opens a store on the disk, where the disk lets us.
    pub(crate) fn try_open(&self, options: &Options) -> Result<Store, Fault> {
        let attached = open::attach(self, options, None, Foreign::Refused)?;
        attached.release(self)?;
        Store::start(attached, Arc::new(self.clone()), options.clone())
    }

    pub(crate) fn fail(&self, faults: Faults) {
        *self.faults.write().unwrap() = faults;
    }

    /// Whether the operation that is to fail has not come yet.
    pub(crate) fn is_about_to_fail(&self) -> bool {
        self.faults.read().unwrap().operation.is_some()
    }

    /// Bytes that take space now.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.image().used_bytes()
    }

    pub(crate) fn set_capacity(&self, bytes: u64) {
        self.image().capacity_bytes = Some(bytes);
    }

    /// From here on, remembers at each sync what a power cut before it would have left.
    pub(crate) fn record_power_cuts(&self, seed: u64) {
        let mut image = self.image();
        for file in &mut image.files {
            file.durable.clone_from(&file.live);
            file.unsynced.clear();
        }
        image.random = seed | 1;
        image.records_power_cuts = true;
    }

    pub(crate) fn acknowledge(&self, revision: u64) {
        self.image().acknowledged = revision;
    }

    pub(crate) fn take_power_cuts(&self) -> Vec<PowerCut> {
        std::mem::take(&mut self.image().power_cuts)
    }

    fn image(&self) -> MutexGuard<'_, Image> {
        self.image.lock().unwrap()
    }

    fn count_operation(&self) -> io::Result<()> {
        let mut faults = self.faults.write().unwrap();
        match faults.operation {
            Some(0) => {
                faults.operation = faults.operation.filter(|_| faults.lasts);
                Err(faults.error())
            }
            Some(left) => {
                faults.operation = Some(left - 1);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

// === impl Faults ===

impl Faults {
    fn error(self) -> io::Error {
        match self.is_full {
            true => ErrorKind::StorageFull.into(),
            // EIO has no kind of its own.
            false => io::Error::other("injected input/output error"),
        }
    }
}

impl Disk for FaultyDisk {
    fn backend(&self) -> io::Result<Box<dyn StorageBackend>> {
        let mut faults = self.faults.write().unwrap();
        if faults.openings > 0 {
            faults.openings -= 1;
            return Err(faults.error());
        }
        Ok(Box::new(FaultyFile { disk: self.clone(), name: Name::Database }))
    }

    fn journal(&self) -> io::Result<Option<Box<dyn StorageBackend>>> {
        let has_one = !self.image().files[Name::Journal as usize].live.is_empty();
        Ok(has_one.then(|| -> Box<dyn StorageBackend> {
            Box::new(FaultyFile { disk: self.clone(), name: Name::Journal })
        }))
    }

    fn lay_ballast(&self) -> io::Result<()> {
        let mut image = self.image();
        image.ballast_bytes = 0;
        let wanted = image.wanted_ballast_bytes;
        image.take_space(wanted)?;
        image.ballast_bytes = wanted;
        Ok(())
    }

    fn free_ballast(&self) -> io::Result<()> {
        self.image().ballast_bytes = 0;
        Ok(())
    }

    fn available_bytes(&self) -> Option<u64> {
        let image = self.image();
        Some(image.capacity_bytes?.saturating_sub(image.used_bytes()))
    }

    fn path(&self) -> &Path {
        Path::new("faulty")
    }
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.image().files[self.name as usize].live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let image = self.disk.image();
        let offset = usize::try_from(offset).unwrap();
        let live = &image.files[self.name as usize].live;
        let found = live.get(offset..offset + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.count_operation()?;
        let file = &mut self.disk.image().files[self.name as usize];
        file.live.resize(usize::try_from(len).unwrap(), 0);
        file.blocks.retain(|block| block * BLOCK < len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        // What was to be synced when it failed may be on the disk or not: both are tried, since
        // the operating system shows it to readers either way.
        self.disk.count_operation()?;
        self.disk.image().sync(self.name);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.count_operation()?;
        self.disk.image().write(self.name, offset, data)
    }
}

// === impl Image ===

impl Image {
    fn format(&mut self, options: &Options) {
        self.wanted_ballast_bytes = options.ballast_bytes;
        // The journal's space is taken from the start.
        let journal = &mut self.files[Name::Journal as usize];
        journal.live = vec![0; usize::try_from(options.journal_bytes).unwrap()];
        journal.blocks = (0..options.journal_bytes / BLOCK).collect();
    }

    fn used_bytes(&self) -> u64 {
        let n_blocks: usize = self.files.iter().map(|file| file.blocks.len()).sum();
        n_blocks as u64 * BLOCK + self.ballast_bytes
    }

    fn take_space(&self, bytes: u64) -> io::Result<()> {
        match self.capacity_bytes {
            Some(capacity) if self.used_bytes() + bytes > capacity => Err(ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn write(&mut self, name: Name, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset + data.len() as u64;
        for block in offset / BLOCK..end.div_ceil(BLOCK) {
            if !self.files[name as usize].blocks.contains(&block) {
                self.take_space(BLOCK)?;
                self.files[name as usize].blocks.insert(block);
            }
        }
        let file = &mut self.files[name as usize];
        overwrite(&mut file.live, offset, data);
        if self.records_power_cuts {
            file.unsynced.push((offset, data.to_vec()));
        }
        Ok(())
    }

    fn sync(&mut self, name: Name) {
        if !self.records_power_cuts {
            return;
        }
        // Three cuts before the sync.
        for _ in 0..3 {
            let contents = [Name::Database, Name::Journal].map(|name| self.cut(name));
            self.power_cuts.push(PowerCut { contents, acknowledged: self.acknowledged });
        }
        let file = &mut self.files[name as usize];
        file.durable.clone_from(&file.live);
        file.unsynced.clear();
    }

    /// What a power cut leaves of a file: some of the writes, whole, some of their blocks or a part
    /// of the first, and the old or the new length.
    fn cut(&mut self, name: Name) -> Vec<u8> {
        let mut content = self.files[name as usize].durable.clone();
        if self.chance() {
            content.resize(self.files[name as usize].live.len(), 0);
        }
        for at in 0..self.files[name as usize].unsynced.len() {
            let (keeps, tears) = (self.chance(), self.chance() && self.chance());
            let (offset, data) = self.files[name as usize].unsynced[at].clone();
            let is_one = data.len() <= BLOCK as usize;
            let torn = if tears && is_one { &data[..data.len() / 2] } else { &data };
            for (n, block) in torn.chunks(BLOCK as usize).enumerate() {
                let offset = offset as usize + n * BLOCK as usize;
                let keeps = if tears && !is_one { self.chance() } else { keeps };
                if keeps && offset + block.len() <= content.len() {
                    overwrite(&mut content, offset as u64, block);
                }
            }
        }
        content
    }

    /// A coin, from a multiplicative generator (Knuth's MMIX constants).
    fn chance(&mut self) -> bool {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random >> 63 == 1
    }
}

fn overwrite(content: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let offset = usize::try_from(offset).unwrap();
    if content.len() < offset + data.len() {
        content.resize(offset + data.len(), 0);
    }
    content[offset..offset + data.len()].copy_from_slice(data);
}
