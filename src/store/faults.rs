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
use crate::open;
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
    pub(crate) content: Vec<u8>,
    pub(crate) acknowledged: u64,
}

#[derive(Debug, Default)]
struct Image {
    live: Vec<u8>,
    /// Blocks that take space: those ever written. A longer file alone takes none.
    blocks: BTreeSet<u64>,
    capacity_bytes: Option<u64>,
    ballast_bytes: u64,
    wanted_ballast_bytes: u64,
    /// The content of the last completed sync.
    durable: Vec<u8>,
    /// Writes since.
    unsynced: Vec<(u64, Vec<u8>)>,
    acknowledged: u64,
    records_power_cuts: bool,
    power_cuts: Vec<PowerCut>,
    random: u64,
}

// === impl FaultyDisk ===

impl FaultyDisk {
    /// A disk with an empty database on it.
    pub(crate) fn formatted(options: &Options) -> Self {
        let disk = Self::default();
        disk.image().wanted_ballast_bytes = options.ballast_bytes;
        let gated = Gated::hold(disk.backend().unwrap()).unwrap();
        let database = redb::Builder::new().create_with_backend(gated.clone()).unwrap();
        gated.release().unwrap();
        tables::initialise(&database, Identity { cluster: Uuid::nil(), generation: 1 }).unwrap();
        disk
    }

    /// A disk as a power cut left one.
    pub(crate) fn after(power_cut: &PowerCut) -> Self {
        let disk = Self::default();
        disk.image().live.clone_from(&power_cut.content);
        disk
    }

    /// Opens a store on the disk.
    pub(crate) fn open(&self, options: &Options) -> Store {
        self.try_open(options).expect("the disk has a database")
    }

    /// Opens a store on the disk, where the disk lets us.
    pub(crate) fn try_open(&self, options: &Options) -> Result<Store, Fault> {
        let attached = open::attach(self, options, None)?;
        attached.opened.gated.release()?;
        Store::start(attached, Arc::new(self.clone()), options.clone())
    }

    pub(crate) fn fail(&self, faults: Faults) {
        *self.faults.write().unwrap() = faults;
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
        image.durable = image.live.clone();
        image.unsynced.clear();
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
        Ok(Box::new(self.clone()))
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

impl StorageBackend for FaultyDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.image().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let image = self.image();
        let offset = usize::try_from(offset).unwrap();
        let found = image.live.get(offset..offset + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.count_operation()?;
        let mut image = self.image();
        image.live.resize(usize::try_from(len).unwrap(), 0);
        image.blocks.retain(|block| block * BLOCK < len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        // What was to be synced when it failed may be on the disk or not: both are tried, since
        // the operating system shows it to readers either way.
        self.count_operation()?;
        self.image().sync();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.count_operation()?;
        self.image().write(offset, data)
    }
}

// === impl Image ===

impl Image {
    fn used_bytes(&self) -> u64 {
        self.blocks.len() as u64 * BLOCK + self.ballast_bytes
    }

    fn take_space(&self, bytes: u64) -> io::Result<()> {
        match self.capacity_bytes {
            Some(capacity) if self.used_bytes() + bytes > capacity => Err(ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset + data.len() as u64;
        for block in offset / BLOCK..end.div_ceil(BLOCK) {
            if !self.blocks.contains(&block) {
                self.take_space(BLOCK)?;
                self.blocks.insert(block);
            }
        }
        overwrite(&mut self.live, offset, data);
        if self.records_power_cuts {
            self.unsynced.push((offset, data.to_vec()));
        }
        Ok(())
    }

    fn sync(&mut self) {
        if !self.records_power_cuts {
            return;
        }
        // Three cuts before the sync: each keeps some of the writes, whole or in part, and the
        // old or the new length.
        for _ in 0..3 {
            let mut content = self.durable.clone();
            if self.chance() {
                content.resize(self.live.len(), 0);
            }
            for at in 0..self.unsynced.len() {
                let (keeps, tears) = (self.chance(), self.chance() && self.chance());
                let (offset, data) = &self.unsynced[at];
                let data = if tears { &data[..data.len() / 2] } else { data };
                if keeps && *offset as usize + data.len() <= content.len() {
                    overwrite(&mut content, *offset, data);
                }
            }
            self.power_cuts.push(PowerCut { content, acknowledged: self.acknowledged });
        }
        self.durable.clone_from(&self.live);
        self.unsynced.clear();
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
