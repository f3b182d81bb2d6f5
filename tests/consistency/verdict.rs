//! All checks of a history, and the line that says how they went.

use crate::history::{History, Notice, Revision, Seen};
use crate::linearizable::{self, Sighting};
use crate::truth::Truth;
use crate::violation::Violation;
use crate::watches;

/// Checks a history whose watchers were to hear of everything up to `until`.
pub(crate) fn judge(history: &History, until: Revision) -> Vec<Violation> {
    let (truth, mut violations) = Truth::of(history);
    violations.extend(linearizable::check(&history.operations, &sightings(history), &truth));
    violations.extend(watches::check_lists(&history.operations, &truth));
    violations.extend(history.watchings.iter().flat_map(|watching| watches::check(watching, until, &truth)));
    violations
}

/// What watches told, and when: who saw a change has to read it too.
fn sightings(history: &History) -> Vec<Sighting> {
    let notices = history.watchings.iter().flat_map(|watching| &watching.notices);
    let revisions = notices.filter_map(|(at, notice)| match notice {
        Notice::State(revision, _) | Notice::Bookmark(revision) => Some((*at, *revision)),
        Notice::Event(_, Seen { revision, .. }) => Some((*at, *revision)),
        Notice::Resumed(_) | Notice::Broken(_) | Notice::Expired(_) | Notice::Odd(_) => None,
    });
    revisions.collect()
}

/// The size of a history without violations, in one line.
pub(crate) fn summary(name: &str, history: &History, n_keys: usize) -> String {
    format!(
        "consistency: {name}: {} operations ({} unknown), {n_keys} keys, {} watchers, {} events, {} \
         resumptions, {} bookmarks: linearizable, watches \
         ordered/unique/reliable/atomic/resumable/bookmarkable",
        history.operations.len(),
        history.operations.iter().filter(|operation| operation.is_unknown_write()).count(),
        history.watchings.len(),
        history.count(|notice| matches!(notice, Notice::Event(..))),
        history.count(|notice| matches!(notice, Notice::Resumed(_))),
        history.count(|notice| matches!(notice, Notice::Bookmark(_))),
    )
}
