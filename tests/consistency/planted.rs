//! The checkers' own tests: a history without a fault passes, and each fault that is
//! planted in it is found and named by the guarantee that it breaks.

use std::time::Duration;

use crate::history::{
    Answer, Call, Change, EventKind, Extent, History, Notice, Operation, Seen, Shade, Watching,
};
use crate::story::{content, plain, without_a_fault};
use crate::truth::Truth;
use crate::verdict::judge;
use crate::violation::Guarantee::{
    self, Atomic, Bookmarkable, Linearizable, Ordered, Reliable, Resumable, Unique,
};

/// What is planted, what it breaks, and how it is done.
pub(crate) type Planted = (&'static str, Guarantee, fn(&mut History));

pub(crate) const FAULTS: &[Planted] = &[
    ("an_acknowledged_write_is_lost", Linearizable, lose_a_write),
    ("an_acknowledged_deletion_is_lost", Linearizable, lose_a_deletion),
    ("a_refused_write_takes_place", Linearizable, |history| answer(history, "b2", Answer::Exists)),
    ("a_write_takes_place_that_was_not_written", Linearizable, |history| {
        answer(history, "b2", Answer::NotWritten("disk is full".to_owned()));
    }),
    ("a_revision_is_given_twice", Linearizable, reuse_a_revision),
    ("a_read_is_stale", Linearizable, read_stale),
    ("a_read_misses_what_a_watch_has_told", Linearizable, read_behind_a_watch),
    ("a_read_sees_what_nobody_wrote", Linearizable, read_out_of_nowhere),
    ("a_get_does_not_find_what_is_there", Linearizable, |history| {
        let get = operation(history, |operation| matches!(operation.call, Call::Get(_)));
        get.answer = Answer::NotFound;
    }),
    ("a_conflict_without_a_reason", Linearizable, |history| {
        let conflict = operation(history, |operation| operation.answer == Answer::Conflict);
        let Call::Write(write) = &mut conflict.call else { panic!("{conflict:?}") };
        write.only_at = Some(4);
    }),
    ("a_precondition_is_not_held", Linearizable, |history| {
        let Call::Write(write) = &mut of_value(history, "a3").call else { panic!("a3 is a write") };
        write.only_at = Some(1);
    }),
    ("a_uid_is_not_held", Linearizable, |history| {
        let Call::Write(write) = &mut of_value(history, "a3").call else { panic!("a3 is a write") };
        write.only_uid = Some("another".to_owned());
    }),
    ("a_creation_replaces", Linearizable, |history| {
        let Call::Write(write) = &mut of_value(history, "a3").call else { panic!("a3 is a write") };
        write.change = Change::Create(content("a3", Shade::Dark));
    }),
    ("writes_change_their_order", Linearizable, |history| {
        // b1 begins after a1 was answered, and has the later revision.
        let after = Duration::from_secs(1);
        let late = of_value(history, "a1");
        (late.invoked, late.returned) = (after, after);
    }),
    ("a_list_is_stale", Linearizable, |history| {
        let list = operation(history, |operation| matches!(operation.call, Call::List(..)));
        let Answer::Listing(revision, _) = &mut list.answer else { panic!("{list:?}") };
        *revision = 1;
    }),
    ("an_answer_is_none_that_fits", Linearizable, |history| {
        answer(history, "a4", Answer::Odd("418".to_owned()));
    }),
    ("a_deletion_has_no_author", Linearizable, |history| {
        let is_deletion = |operation: &Operation| {
            operation.is_unknown_write() && operation.call == Call::Write(plain("a", Change::Delete))
        };
        operation(history, is_deletion).invoked = Duration::from_secs(1);
    }),
    ("an_object_gets_another_uid", Linearizable, |history| {
        for (_, notice) in &mut all(history).notices {
            if let Notice::Event(_, seen) = notice
                && seen.content.value == "b2"
            {
                "another".clone_into(&mut seen.uid);
            }
        }
    }),
    ("events_change_their_order", Ordered, |history| {
        let (first, second) = (event_of(all(history), "a1"), event_of(all(history), "b1"));
        all(history).notices.swap(first, second);
    }),
    ("a_later_state_is_older", Ordered, |history| {
        let last = all(history).notices.last().expect("it was told something").0;
        all(history).notices.push((last, Notice::State(1, Vec::new())));
    }),
    ("an_event_is_told_twice", Unique, |history| {
        let at = event_of(all(history), "a3");
        let again = all(history).notices[at].clone();
        all(history).notices.insert(at + 1, again);
    }),
    ("an_event_is_left_out", Reliable, |history| {
        let at = event_of(all(history), "a1");
        all(history).notices.remove(at);
    }),
    ("the_last_events_are_left_out", Reliable, |history| {
        let at = event_of(all(history), "b4");
        all(history).notices.truncate(at);
    }),
    ("an_event_is_told_as_another_kind", Reliable, |history| {
        let at = event_of(all(history), "a3");
        let Notice::Event(kind, _) = &mut all(history).notices[at].1 else { panic!("an event") };
        *kind = EventKind::Added;
    }),
    ("who_leaves_the_selection_is_not_deleted", Reliable, |history| {
        let light = &mut history.watchings[1];
        light.notices.retain(|(_, notice)| !matches!(notice, Notice::Event(EventKind::Deleted, _)));
    }),
    ("a_list_is_of_two_states", Atomic, |history| {
        let list = operation(history, |operation| matches!(operation.call, Call::List(..)));
        let Answer::Listing(_, items) = &mut list.answer else { panic!("{list:?}") };
        items.remove(0);
    }),
    ("a_list_shows_what_it_does_not_select", Atomic, |history| {
        let list = operation(history, |operation| matches!(operation.call, Call::List(..)));
        list.call = Call::List(Some(Shade::Light), Extent::Whole);
    }),
    ("the_first_state_has_too_much", Atomic, |history| {
        let at = event_of(all(history), "a1");
        let Notice::Event(_, seen) = all(history).notices[at].1.clone() else { panic!("an event") };
        all(history).notices[0].1 = Notice::State(1, vec![seen]);
    }),
    ("a_resumption_leaves_out_an_event", Resumable, |history| {
        let watching = all(history);
        let resumed = resumption(watching);
        watching.notices.remove(resumed + 1);
    }),
    ("a_resumption_begins_too_early", Resumable, |history| {
        let (truth, _) = Truth::of(history);
        let watching = all(history);
        let early = watching.notices[event_of(watching, "b1")].clone();
        // It listed at 3 and lost the watch before the first event.
        watching
            .notices
            .retain(|(_, notice)| !matches!(notice, Notice::Event(_, seen) if seen.revision <= 3));
        watching.notices[0].1 = Notice::State(3, truth.states(3, None));
        watching.notices.insert(1, (early.0, Notice::Resumed(3)));
        watching.notices.insert(2, early);
    }),
    ("a_resumption_is_refused_though_all_is_kept", Resumable, |history| {
        let watching = all(history);
        let resumed = resumption(watching);
        watching.notices.insert(resumed + 1, (Duration::ZERO, Notice::Expired(5)));
    }),
    ("a_bookmark_comes_too_early", Bookmarkable, |history| {
        let watching = all(history);
        let at = event_of(watching, "a3");
        watching.notices.insert(at, (Duration::ZERO, Notice::Bookmark(4)));
    }),
    ("a_bookmark_goes_back", Bookmarkable, |history| {
        let watching = all(history);
        watching.notices.push((Duration::ZERO, Notice::Bookmark(2)));
    }),
];

/// What is not about one fault.
pub(crate) const TESTS: &[(&str, fn())] = &[
    ("a_history_without_a_fault_passes", a_history_without_a_fault_passes),
    ("a_history_without_a_fault_is_not_trivial", a_history_without_a_fault_is_not_trivial),
    ("an_old_revision_may_be_refused_after_many_changes", old_revisions_may_be_refused),
];

/// Plants one fault, which has to be found.
pub(crate) fn find(guarantee: Guarantee, plant: fn(&mut History)) {
    let mut history = without_a_fault();
    let until = newest(&history);
    plant(&mut history);
    let found = judge(&history, until);
    assert!(
        found.iter().any(|violation| violation.guarantee == guarantee),
        "{guarantee:?} is broken, and found was {found:#?}"
    );
}

fn a_history_without_a_fault_passes() {
    let history = without_a_fault();
    assert_eq!(judge(&history, newest(&history)), []);
}

fn a_history_without_a_fault_is_not_trivial() {
    let history = without_a_fault();
    let is = |answer: fn(&Answer) -> bool| history.operations.iter().any(|o| answer(&o.answer));
    assert!(is(|answer| matches!(answer, Answer::Exists)));
    assert!(is(|answer| matches!(answer, Answer::Conflict)));
    assert!(is(|answer| matches!(answer, Answer::NotFound)));
    assert!(is(|answer| matches!(answer, Answer::Deleted(_))));
    let events = |watching: &Watching| {
        watching.notices.iter().filter(|(_, notice)| matches!(notice, Notice::Event(..))).count()
    };
    assert_eq!(history.watchings.iter().map(events).collect::<Vec<_>>(), [8, 6]);
}

fn old_revisions_may_be_refused() {
    let mut history = without_a_fault();
    // As if thousands of writes of other kinds lay between.
    let far = 20_000;
    let seen = Seen {
        key: "c".to_owned(),
        uid: "uid-c".to_owned(),
        revision: far,
        content: content("c1", Shade::Dark),
    };
    let moment = Duration::from_secs(1);
    history.operations.push(Operation {
        client: 0,
        invoked: moment,
        returned: moment,
        call: Call::Write(plain("c", Change::Create(seen.content.clone()))),
        answer: Answer::Object(seen.clone()),
    });
    let (truth, _) = Truth::of(&history);
    let watching = all(&mut history);
    watching.notices.push((moment, Notice::Expired(9)));
    watching.notices.push((moment, Notice::State(far, truth.states(far, None))));
    assert_eq!(crate::watches::check(watching, far, &truth), []);
}

fn newest(history: &History) -> u64 {
    Truth::of(history).0.newest()
}

/// The watcher of everything.
fn all(history: &mut History) -> &mut Watching {
    &mut history.watchings[0]
}

fn event_of(watching: &Watching, value: &str) -> usize {
    let is_it = |notice: &Notice| matches!(notice, Notice::Event(_, seen) if seen.content.value == value);
    watching.notices.iter().position(|(_, notice)| is_it(notice)).expect("an event of this value")
}

fn resumption(watching: &Watching) -> usize {
    let is_it = |notice: &Notice| matches!(notice, Notice::Resumed(_));
    watching.notices.iter().position(|(_, notice)| is_it(notice)).expect("a resumption")
}

fn operation(history: &mut History, is_it: impl Fn(&Operation) -> bool) -> &mut Operation {
    history.operations.iter_mut().find(|operation| is_it(operation)).expect("such an operation")
}

fn of_value<'a>(history: &'a mut History, value: &str) -> &'a mut Operation {
    operation(history, |operation| {
        let content = operation.write().and_then(|write| write.change.content());
        content.is_some_and(|content| content.value == value)
    })
}

fn answer(history: &mut History, value: &str, answer: Answer) {
    of_value(history, value).answer = answer;
}

/// As if it had never been, for everybody but its client: it is read as before.
fn lose_a_write(history: &mut History) {
    for watching in &mut history.watchings {
        let is_lost =
            |notice: &Notice| matches!(notice, Notice::Event(_, seen) if seen.content.value == "b4");
        watching.notices.retain(|(_, notice)| !is_lost(notice));
    }
    let (uid, moment) = ("uid-3".to_owned(), Duration::from_secs(1));
    let before = Seen { key: "b".to_owned(), uid, revision: 5, content: content("b2", Shade::Light) };
    history.operations.push(Operation {
        client: 1,
        invoked: moment,
        returned: moment,
        call: Call::Get("b".to_owned()),
        answer: Answer::Object(before),
    });
}

fn lose_a_deletion(history: &mut History) {
    let is_deleted = |notice: &Notice| matches!(notice, Notice::Event(EventKind::Deleted, seen) if seen.content.value == "a3");
    history.watchings.iter_mut().for_each(|watching| {
        watching.notices.retain(|(_, notice)| !is_deleted(notice));
    });
}

fn reuse_a_revision(history: &mut History) {
    let Answer::Object(seen) = &mut of_value(history, "b4").answer else { panic!("b4 was answered") };
    seen.revision = 3;
}

fn read_stale(history: &mut History) {
    let Answer::Object(old) = of_value(history, "a1").answer.clone() else { panic!("a1 was answered") };
    let moment = of_value(history, "a3").returned + Duration::from_nanos(1);
    history.operations.push(Operation {
        client: 1,
        invoked: moment,
        returned: moment,
        call: Call::Get("a".to_owned()),
        answer: Answer::Object(old),
    });
}

/// The write is not answered yet, but a watch told of it already.
fn read_behind_a_watch(history: &mut History) {
    let Answer::Object(old) = of_value(history, "a1").answer.clone() else { panic!("a1 was answered") };
    let moment = of_value(history, "a3").returned - Duration::from_nanos(1);
    history.operations.push(Operation {
        client: 1,
        invoked: moment,
        returned: moment + Duration::from_secs(1),
        call: Call::Get("a".to_owned()),
        answer: Answer::Object(old),
    });
}

fn read_out_of_nowhere(history: &mut History) {
    let get = operation(history, |operation| matches!(operation.call, Call::Get(_)));
    let Answer::Object(seen) = &mut get.answer else { panic!("{get:?}") };
    "nobody's".clone_into(&mut seen.content.value);
}
