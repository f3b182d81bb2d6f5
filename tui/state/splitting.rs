//! The weights screen in use: edited, tried, applied, taken back.

use serde_json::Value;
use spur_api::meta;

use super::line::Line;
use super::share::{balanced, hundredths, moved};
use super::split::{Draft, RowId, Side, Split, SplitId, Splits, splits, with_weights};
use super::{Overlay, State};
use crate::event::{Action, Put, Refusal};
use crate::keys::Key;

/// Changes that can be taken back.
const UNDO_MAX: usize = 20;

/// Digits of a weight: Istio's are an `int32`.
const DIGITS_MAX: usize = 9;

/// What the weights of a rule were before they were changed from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undo {
    split: SplitId,
    weights: Vec<u32>,
}

/// Weights on their way to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applying {
    split: SplitId,
    weights: Vec<u32>,
    before: Vec<u32>,
    change: Change,
}

/// What a change is to the list of those that can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// One more.
    Edit,
    /// The last one, taken back.
    Undo,
}

// === impl State ===

impl State {
    pub(super) fn count_splits(&mut self) {
        self.splits = splits(self.virtual_services.all());
        // A rule that is gone, or has other destinations, is not edited any more.
        let fits = |draft: &Draft, splits: &Splits| {
            splits.get(&draft.split).is_some_and(|split| split.destinations.len() == draft.weights.len())
        };
        if self.draft.as_ref().is_some_and(|draft| !fits(draft, &self.splits)) {
            self.draft = None;
            self.notice = Some("the rule that was edited is another one now; its edit is gone".to_owned());
        }
    }

    /// The weights of a rule as they are shown: as edited, where they are.
    pub(crate) fn shown_weights(&self, split: &Split) -> Vec<u32> {
        match &self.draft {
            Some(draft) if draft.split == split.id => draft.weights.clone(),
            _ => split.weights(),
        }
    }

    pub(crate) fn sides(&self, split: &Split) -> Vec<Side> {
        self.answerers.sides(split, &self.shares)
    }

    /// Makes one weight more or less by so many hundredths of all.
    pub(super) fn change_weight(&mut self, hundredths: i64) {
        self.edit_weight(|weights, idx| {
            let sum: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
            let step = (sum / 100).max(1) * hundredths;
            let to = (i64::from(weights[idx]) + step).clamp(0, sum);
            moved(weights, idx, u32::try_from(to).unwrap_or(0))
        });
    }

    pub(super) fn set_weight(&mut self, to: u32) {
        self.edit_weight(|weights, idx| moved(weights, idx, to));
    }

    pub(super) fn balance(&mut self) {
        self.edit_weight(|weights, _| balanced(weights));
    }

    pub(super) fn open_weight(&mut self) {
        if self.split_cursor.idx(&self.splits).is_some() {
            self.overlay = Some(Overlay::Weight(Line::default()));
        }
    }

    /// A weight that is typed.
    pub(super) fn type_weight(&mut self, key: Key) -> Vec<Action> {
        let Some(Overlay::Weight(line)) = &mut self.overlay else { return Vec::new() };
        match key {
            Key::Enter => {
                let to = line.text().parse();
                self.overlay = None;
                if let Ok(to) = to {
                    self.set_weight(to);
                }
            }
            Key::Esc => self.overlay = None,
            Key::Suspend => return vec![Action::Suspend],
            Key::Char(digit) if digit.is_ascii_digit() => line.push(digit, DIGITS_MAX),
            key => drop(line.edit(key)),
        }
        Vec::new()
    }

    fn edit_weight(&mut self, edit: impl Fn(&[u32], usize) -> Vec<u32>) {
        let Some(RowId { split, destination_idx }) = self.split_cursor.id(&self.splits) else { return };
        let Some(found) = self.splits.get(&split) else { return };
        if self.draft.as_ref().is_some_and(|draft| draft.split != split) {
            self.notice = Some("another rule is being edited: enter applies it, esc discards it".to_owned());
            return;
        }
        let before = hundredths(&found.weights());
        let shown = if self.draft.is_some() { self.shown_weights(found) } else { before.clone() };
        let weights = edit(&shown, destination_idx);
        // As it was is not edited.
        self.draft = (weights != before).then_some(Draft { split, weights });
        // What is edited is what the cursor is on, whatever comes and goes.
        if let Some(id) = self.split_cursor.id(&self.splits) {
            self.split_cursor.select(id);
        }
    }

    /// Whether there was an edit to be thrown away.
    pub(super) fn discard(&mut self) -> bool {
        self.draft.take().is_some()
    }

    pub(super) fn apply_weights(&mut self) -> Vec<Action> {
        match self.draft.clone() {
            Some(Draft { split, weights }) => self.begin_to_apply(split, weights, Change::Edit),
            None => {
                self.notice = Some("nothing is edited; ← and → change the selected weight".to_owned());
                Vec::new()
            }
        }
    }

    pub(super) fn undo(&mut self) -> Vec<Action> {
        match self.undo.last().cloned() {
            Some(Undo { split, weights }) => self.begin_to_apply(split, weights, Change::Undo),
            None => {
                self.notice = Some("nothing was applied from here".to_owned());
                Vec::new()
            }
        }
    }

    fn begin_to_apply(&mut self, split: SplitId, weights: Vec<u32>, change: Change) -> Vec<Action> {
        if self.applying.is_some() {
            self.notice = Some("the last change is still on its way".to_owned());
            return Vec::new();
        }
        let object = self.virtual_services.all().find(|object| meta::uid(object) == split.uid);
        let (Some(object), Some(found)) = (object, self.splits.get(&split)) else {
            self.notice = Some("the rule is not there any more".to_owned());
            return Vec::new();
        };
        let put = Put {
            path: format!(
                "/apis/networking.istio.io/v1/namespaces/{}/virtualservices/{}",
                found.namespace, found.name
            ),
            object: with_weights(object, split.route_idx, &weights),
            is_dry_run: true,
        };
        self.applying = Some(Applying { before: found.weights(), split, weights, change });
        self.notice = Some("asking the server whether it would take it".to_owned());
        vec![Action::Put(Box::new(put))]
    }

    /// Takes in what the server made of the weights: after a dry run they are sent in earnest.
    pub(super) fn put(&mut self, put: Put, answer: Result<Value, Refusal>) -> Vec<Action> {
        match answer {
            Ok(_) if put.is_dry_run => vec![Action::Put(Box::new(Put { is_dry_run: false, ..put }))],
            Ok(object) => {
                // The watch will say the same a moment later.
                self.virtual_services.put(object);
                self.count_splits();
                let Some(Applying { split, weights, before, change }) = self.applying.take() else {
                    return Vec::new();
                };
                match change {
                    Change::Edit => {
                        self.notice = Some(format!("applied {}; u takes it back", slashed(&weights)));
                        self.undo.push(Undo { split: split.clone(), weights: before });
                        if self.undo.len() > UNDO_MAX {
                            self.undo.remove(0);
                        }
                    }
                    Change::Undo => {
                        self.notice = Some(format!("taken back to {}", slashed(&weights)));
                        self.undo.pop();
                    }
                }
                if self.draft.as_ref().is_some_and(|draft| draft.split == split && draft.weights == weights) {
                    self.draft = None;
                }
                Vec::new()
            }
            Err(Refusal { code, message }) => {
                self.applying = None;
                self.notice = Some(match code {
                    409 => "changed by somebody else meanwhile: see what it is now; enter applies to that"
                        .to_owned(),
                    _ => format!("refused: {message}"),
                });
                Vec::new()
            }
        }
    }
}

/// `85/15`.
pub(crate) fn slashed(weights: &[u32]) -> String {
    weights.iter().map(ToString::to_string).collect::<Vec<_>>().join("/")
}
