//! A small history without a fault, told by hand: what the checkers' own tests
//! plant violations in.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::history::{
    Answer, Call, Change, Content, EventKind, Extent, History, Moment, Notice, Operation, Revision, Seen,
    Shade, Watching, Write,
};

/// A model server with one client, and two watchers that are told at once.
struct Story {
    history: History,
    objects: BTreeMap<String, Seen>,
    revision: Revision,
    now: Moment,
}

/// Two keys over their lives, with refusals, an unknown outcome that took place
/// and one that did not, a resumption and bookmarks.
pub(crate) fn without_a_fault() -> History {
    let mut story = Story::begin();
    story.write("a", Change::Create(content("a1", Shade::Light)));
    story.write("b", Change::Create(content("b1", Shade::Dark)));
    story.get("a");
    story.refuse(plain("a", Change::Create(content("a2", Shade::Light))), Answer::Exists);
    story.write("a", Change::Replace(content("a3", Shade::Dark)));
    story.refuse(
        Write { only_at: Some(1), ..plain("a", Change::Replace(content("a4", Shade::Dark))) },
        Answer::Conflict,
    );
    story.list(None);
    story.bookmark();
    story.write_without_an_answer("b", Change::Patch(content("b2", Shade::Light)));
    story.refuse(
        plain("b", Change::Patch(content("b3", Shade::Dark))),
        Answer::Unknown("connection lost".to_owned()),
    );
    story.write("a", Change::Delete);
    story.get("a");
    story.refuse(plain("a", Change::Delete), Answer::NotFound);
    story.resume();
    story.write("a", Change::Create(content("a5", Shade::Light)));
    story.write_without_an_answer("a", Change::Delete);
    story.get("a");
    story.list(Some(Shade::Light));
    story.write("b", Change::Patch(content("b4", Shade::Light)));
    story.bookmark();
    story.history
}

pub(crate) fn content(value: &str, shade: Shade) -> Content {
    Content { value: value.to_owned(), shade }
}

/// A write without preconditions.
pub(crate) fn plain(key: &str, change: Change) -> Write {
    Write { key: key.to_owned(), change, only_at: None, only_uid: None }
}

// === impl Story ===

impl Story {
    fn begin() -> Self {
        let state = vec![(Duration::ZERO, Notice::State(1, Vec::new()))];
        let watching = |name: &str, shade| Watching { name: name.to_owned(), shade, notices: state.clone() };
        let watchings = vec![watching("all", None), watching("light", Some(Shade::Light))];
        Self {
            history: History { watchings, ..History::default() },
            objects: BTreeMap::new(),
            revision: 1,
            now: Duration::from_millis(1),
        }
    }

    fn write(&mut self, key: &str, change: Change) {
        let before = self.objects.get(key).cloned();
        let answer = match self.change(key, &change) {
            Some(seen) => Answer::Object(seen),
            None => Answer::Deleted(before.expect("only what is there is deleted").uid),
        };
        self.note(Call::Write(plain(key, change)), answer);
    }

    fn write_without_an_answer(&mut self, key: &str, change: Change) {
        self.change(key, &change);
        self.note(Call::Write(plain(key, change)), Answer::Unknown("connection lost".to_owned()));
    }

    fn refuse(&mut self, write: Write, answer: Answer) {
        self.note(Call::Write(write), answer);
    }

    fn get(&mut self, key: &str) {
        let found = self.objects.get(key).cloned();
        self.note(Call::Get(key.to_owned()), found.map_or(Answer::NotFound, Answer::Object));
    }

    fn list(&mut self, shade: Option<Shade>) {
        let matches = |seen: &&Seen| shade.is_none_or(|shade| seen.content.shade == shade);
        let items = self.objects.values().filter(matches).cloned().collect();
        self.note(Call::List(shade, Extent::Whole), Answer::Listing(self.revision, items));
    }

    fn bookmark(&mut self) {
        let revision = self.revision;
        self.tell(|_| Some(Notice::Bookmark(revision)));
    }

    fn resume(&mut self) {
        self.tell(|_| Some(Notice::Broken("end of the stream".to_owned())));
        for watching in &mut self.history.watchings {
            let told = watching.notices.iter().rev().find_map(|(_, notice)| match notice {
                Notice::State(revision, _) | Notice::Bookmark(revision) => Some(*revision),
                Notice::Event(_, seen) => Some(seen.revision),
                _ => None,
            });
            watching.notices.push((self.now, Notice::Resumed(told.expect("a state comes first"))));
        }
    }

    /// Changes the object and tells the watchers.
    fn change(&mut self, key: &str, change: &Change) -> Option<Seen> {
        self.revision += 1;
        let revision = self.revision;
        let before = self.objects.remove(key);
        let uid = match &before {
            Some(before) => before.uid.clone(),
            None => format!("uid-{revision}"),
        };
        let content = change.content().cloned();
        let now = content.map(|content| Seen { key: key.to_owned(), uid, revision, content });
        self.objects.extend(now.clone().map(|seen| (key.to_owned(), seen)));
        self.tell(|shade| {
            let is_selected = |seen: &&Seen| shade.is_none_or(|shade| seen.content.shade == shade);
            let event = match (before.as_ref().filter(is_selected), now.as_ref().filter(is_selected)) {
                (None, Some(now)) => (EventKind::Added, now.clone()),
                (Some(_), Some(now)) => (EventKind::Modified, now.clone()),
                (Some(before), None) => (EventKind::Deleted, Seen { revision, ..before.clone() }),
                (None, None) => return None,
            };
            Some(Notice::Event(event.0, event.1))
        });
        now
    }

    fn tell(&mut self, notice: impl Fn(Option<Shade>) -> Option<Notice>) {
        let told: Vec<Option<Notice>> =
            self.history.watchings.iter().map(|watching| notice(watching.shade)).collect();
        for (watching, notice) in self.history.watchings.iter_mut().zip(told) {
            // While the call that made the change goes on.
            watching.notices.extend(notice.map(|notice| (self.now + Duration::from_micros(500), notice)));
        }
    }

    fn note(&mut self, call: Call, answer: Answer) {
        let (invoked, returned) = (self.now, self.now + Duration::from_millis(1));
        self.history.operations.push(Operation { client: 0, invoked, returned, call, answer });
        self.now += Duration::from_millis(2);
    }
}
