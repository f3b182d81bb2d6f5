//! A backup that was put in the place of the database.
//!
//! Clients may hold revisions that the backup has never seen. So the revision is raised past all
//! of them and the log is forgotten: whoever comes with an older revision is told `410 Gone` and
//! lists anew, and none is ever given twice. etcd does the same (`etcdutl snapshot restore
//! --bump-revision N --mark-compacted`).
//!
//! Whether a database is one that was put there is for `open` to say.

use redb::Database;

use crate::Revision;
use crate::history::History;
use crate::tables::{Fault, LOG, State};

/// How far the revision is raised: a billion, as etcd's documentation advises ("Restoring with
/// revision bump"): 2,000 writes/s for nearly six days lie between the backup and its use at most.
const RAISED_BY: u64 = 1_000_000_000;

/// Makes the database the successor of whatever was here before, in one transaction.
pub(crate) fn adopt(database: &Database) -> Result<History, Fault> {
    let mut state = History::load(database)?.state;
    state.revision = Revision(state.revision.0.saturating_add(RAISED_BY));
    state.identity.generation += 1;
    rewrite(database, state)?;
    tracing::warn!(
        store.revision = state.revision.0,
        "took over a database without a marker: it goes on at revision {}, clients list anew",
        state.revision
    );
    History::load(database)
}

fn rewrite(database: &Database, state: State) -> Result<(), redb::Error> {
    let mut txn = database.begin_write()?;
    txn.set_two_phase_commit(true);
    txn.delete_table(LOG)?;
    txn.open_table(LOG)?;
    state.write(&txn)?;
    txn.commit()?;
    Ok(())
}
