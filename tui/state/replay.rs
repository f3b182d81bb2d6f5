//! A request sent again: where to, and what is different about the answers.

use serde_json::{Value, json};
use spur_route::{SpanId, TraceId};
use spur_trace::{Hop, ReplayTarget, Replayed, ResponseDifference, sent_to, short_duration};

use super::exchange::Said;
use super::why::Weight;
use super::{Overlay, State, objects};
use crate::event::{Action, Ask, Watched};
use crate::keys::{Key, Screen};

/// Targets that may be chosen at once: the server sends 16 requests at most, the first twice.
const CHOSEN_MAX: usize = 15;

/// The dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replay {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    /// What is sent, in words.
    pub(crate) what: String,
    /// Whether its method changes nothing (RFC 9110 9.2.1).
    is_safe: bool,
    /// Where to, and whether it is chosen.
    targets: Vec<(ReplayTarget, bool)>,
    is_without_credentials: bool,
    is_dry_run: bool,
    /// The selected row.
    pub(crate) idx: usize,
    pub(crate) stage: Stage,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Choosing,
    /// A method that may change something is to be confirmed.
    Confirming,
    /// The server was asked this.
    Sent(String),
    /// What it answered, from this line on.
    Answered(Vec<Said>, usize),
}

/// A row that can be ticked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) text: String,
    pub(crate) is_chosen: bool,
}

// === impl Replay ===

impl Replay {
    fn of(hop: &Hop, trace_key: Option<&str>) -> Self {
        let target = hop.start.target.as_ref().map_or("", |target| target.as_str());
        let mut replay = Self {
            trace_id: hop.start.id.trace_id,
            span_id: hop.start.id.span_id,
            what: format!("{} {target} to {}", hop.start.method, hop.name()),
            is_safe: hop.start.method.is_safe(),
            targets: vec![(ReplayTarget::Same, true), (ReplayTarget::Baseline, false)],
            is_without_credentials: false,
            is_dry_run: false,
            idx: 0,
            stage: Stage::Choosing,
        };
        replay.offer(hop.key().or(trace_key).into_iter());
        replay
    }

    /// Offers further keys, which are not chosen.
    fn offer<'a>(&mut self, keys: impl Iterator<Item = &'a str>) {
        for key in keys.filter(|key| !key.is_empty()) {
            let target = ReplayTarget::Key(key.to_owned());
            if !self.targets.iter().any(|(known, _)| *known == target) {
                // The rows of what is not a target stay the last ones.
                self.idx += usize::from(self.idx >= self.targets.len());
                self.targets.push((target, false));
            }
        }
    }

    /// What can be ticked: targets, then how.
    pub(crate) fn choices(&self) -> Vec<Choice> {
        let targets = self.targets.iter().map(|(target, is_chosen)| {
            let text = match target {
                ReplayTarget::Same => "as it was".to_owned(),
                ReplayTarget::Baseline => "to the baseline, without a key".to_owned(),
                ReplayTarget::Key(key) => format!("with key {key}"),
            };
            Choice { text, is_chosen: *is_chosen }
        });
        let how = |text: &str, is_chosen| Choice { text: text.to_owned(), is_chosen };
        targets
            .chain([
                how("without credentials", self.is_without_credentials),
                how("dry run: only say what would be sent", self.is_dry_run),
            ])
            .collect()
    }

    /// Rows before those that say how.
    pub(crate) fn n_targets(&self) -> usize {
        self.targets.len()
    }

    fn chosen(&self) -> Vec<ReplayTarget> {
        self.targets.iter().filter(|(_, is_chosen)| *is_chosen).map(|(target, _)| target.clone()).collect()
    }

    fn toggle(&mut self) {
        let n_targets = self.targets.len();
        match self.targets.get_mut(self.idx) {
            Some((_, is_chosen)) => *is_chosen = !*is_chosen,
            None if self.idx == n_targets => self.is_without_credentials = !self.is_without_credentials,
            None => self.is_dry_run = !self.is_dry_run,
        }
    }

    /// The baseline and the first key, to be compared.
    fn choose_both(&mut self) {
        let mut n_keys = 0;
        for (target, is_chosen) in &mut self.targets {
            *is_chosen = match target {
                ReplayTarget::Same => false,
                ReplayTarget::Baseline => true,
                ReplayTarget::Key(_) => {
                    n_keys += 1;
                    n_keys == 1
                }
            };
        }
    }

    /// The question that the server is asked.
    fn asked(&self) -> String {
        let targets = self.chosen();
        json!({
            "traceId": self.trace_id.to_string(),
            "spanId": self.span_id.to_string(),
            "targets": if self.is_dry_run { targets } else { sent_to(&targets) },
            "isConfirmed": true,
            "withoutCredentials": self.is_without_credentials,
            "isDryRun": self.is_dry_run,
        })
        .to_string()
    }

    /// The answers and their differences.
    fn take(&mut self, answer: Result<Value, String>) {
        let replayed =
            answer.and_then(|answer| serde_json::from_value(answer).map_err(|error| error.to_string()));
        let lines = match replayed {
            Ok(replayed) => self.lines(replayed),
            Err(why) => vec![Said { text: why, weight: Weight::Failure }],
        };
        self.stage = Stage::Answered(lines, 0);
    }

    fn lines(&self, mut replayed: Replayed) -> Vec<Said> {
        let names: Vec<String> = self.chosen().iter().map(name).collect();
        let differences = if self.is_dry_run { Vec::new() } else { replayed.compared() };
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let mut lines = Vec::new();
        for (name, sent) in names.iter().zip(&replayed.results) {
            let (outcome, weight) = match (&sent.response, &sent.error) {
                (Some(response), _) => {
                    let took = std::time::Duration::from_micros(sent.duration_us.unwrap_or(0));
                    let (took, n_bytes) = (short_duration(took), response.body.n_bytes);
                    let weight = if response.status >= 500 { Weight::Failure } else { Weight::Plain };
                    (format!("{}  {took:>8}  {n_bytes} bytes", response.status), weight)
                }
                (None, Some(error)) => (error.clone(), Weight::Failure),
                (None, None) if self.is_dry_run => ("would be sent".to_owned(), Weight::Plain),
                (None, None) => ("no answer".to_owned(), Weight::Warning),
            };
            lines.push(Said { text: format!("↺ {name:<width$}  {outcome}"), weight });
        }
        for (other, found) in names.iter().skip(1).zip(&differences) {
            lines.extend(different((&names[0], other), found));
        }
        lines
    }
}

fn name(target: &ReplayTarget) -> String {
    match target {
        ReplayTarget::Same => "same".to_owned(),
        ReplayTarget::Baseline => "baseline".to_owned(),
        ReplayTarget::Key(key) => key.clone(),
    }
}

/// What is different about two answers; what differs from one time to the next is counted alone.
fn different((first, other): (&str, &str), found: &[ResponseDifference]) -> Vec<Said> {
    let (noise, told): (Vec<_>, Vec<_>) = found.iter().partition(|difference| difference.is_noise);
    let left_out = match noise.len() {
        0 => String::new(),
        n => format!(" ({n} that differ each time left out)"),
    };
    let text = match told.len() {
        0 => format!("{first} and {other}: the same{left_out}"),
        1 => format!("{first} and {other}: 1 difference{left_out}"),
        n => format!("{first} and {other}: {n} differences{left_out}"),
    };
    let mut lines = vec![Said { text, weight: Weight::Plain }];
    lines.extend(told.into_iter().map(difference));
    lines
}

/// `  body .total: 3 → 4`.
pub(crate) fn difference(found: &ResponseDifference) -> Said {
    let ResponseDifference { part, left, right, is_noise } = found;
    let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "–".to_owned());
    let weight = if *is_noise { Weight::Dim } else { Weight::Warning };
    Said { text: format!("  {part}: {} → {}", side(left), side(right)), weight }
}

// === impl State ===

impl State {
    /// Opens the dialog for the chosen hop, or for the request that is selected in the list.
    pub(super) fn open_replay(&mut self) -> Vec<Action> {
        let Some(trace) = self.copied_from() else { return Vec::new() };
        let hop = match self.screen {
            Screen::Trace => self.trace.hop(),
            _ => trace.entry(),
        };
        let Some(hop) = hop else {
            self.notice = Some("no request led to this span".to_owned());
            return Vec::new();
        };
        if hop.captured.is_none() {
            self.notice = Some("not captured; `spur up --capture all` captures each".to_owned());
            return Vec::new();
        }
        let replay = Replay::of(hop, trace.key.as_deref());
        self.overlay = Some(Overlay::Replay(Box::new(replay)));
        self.offer_keys();
        self.watch(Watched::Sandboxes).into_iter().collect()
    }

    /// Offers the keys of the sandboxes that there are.
    pub(super) fn offer_keys(&mut self) {
        if let Some(Overlay::Replay(replay)) = &mut self.overlay {
            replay.offer(self.sandboxes.all().map(|sandbox| objects::sandbox(sandbox).key));
        }
    }

    pub(super) fn choose_targets(&mut self, key: Key) -> Vec<Action> {
        let Some(Overlay::Replay(replay)) = &mut self.overlay else { return Vec::new() };
        if key == Key::Suspend {
            return vec![Action::Suspend];
        }
        match (&mut replay.stage, key) {
            (Stage::Confirming, Key::Char('y')) => return self.send_again(),
            (Stage::Confirming, _) => replay.stage = Stage::Choosing,
            (_, Key::Esc | Key::Char('q')) => self.overlay = None,
            (Stage::Choosing, key) => return self.choose_target(key),
            (Stage::Sent(_), _) => {}
            (Stage::Answered(lines, top), Key::Char('j') | Key::Down | Key::PageDown) => {
                *top = (*top + 1).min(lines.len().saturating_sub(1));
            }
            (Stage::Answered(_, top), Key::Char('k') | Key::Up | Key::PageUp) => *top = top.saturating_sub(1),
            (Stage::Answered(..), _) => replay.stage = Stage::Choosing,
        }
        Vec::new()
    }

    fn choose_target(&mut self, key: Key) -> Vec<Action> {
        let Some(Overlay::Replay(replay)) = &mut self.overlay else { return Vec::new() };
        let last = replay.targets.len() + 1;
        match key {
            Key::Char('j') | Key::Down => replay.idx = (replay.idx + 1).min(last),
            Key::Char('k') | Key::Up => replay.idx = replay.idx.saturating_sub(1),
            Key::Char(' ') => replay.toggle(),
            Key::Char('b') => replay.choose_both(),
            Key::Enter => {
                let n_chosen = replay.chosen().len();
                if n_chosen == 0 || n_chosen > CHOSEN_MAX {
                    self.notice = Some(format!("choose 1 to {CHOSEN_MAX} targets with space"));
                } else if replay.is_safe || replay.is_dry_run {
                    return self.send_again();
                } else {
                    replay.stage = Stage::Confirming;
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn send_again(&mut self) -> Vec<Action> {
        let is_connected = self.is_connected();
        let Some(Overlay::Replay(replay)) = &mut self.overlay else { return Vec::new() };
        if !is_connected {
            replay.stage = Stage::Choosing;
            self.notice = Some("no server answers; it cannot be sent".to_owned());
            return Vec::new();
        }
        let asked = replay.asked();
        replay.stage = Stage::Sent(asked.clone());
        self.ask(Ask::Replay(asked)).into_iter().collect()
    }

    pub(super) fn take_replay(&mut self, asked: &str, answer: Result<Value, String>) {
        match &mut self.overlay {
            Some(Overlay::Replay(replay)) if replay.stage == Stage::Sent(asked.to_owned()) => {
                replay.take(answer);
            }
            // The dialog was closed meanwhile.
            _ => {
                self.notice = Some(match answer {
                    Ok(_) => "it was sent again; ↺ is in the list".to_owned(),
                    Err(why) => why,
                });
            }
        }
    }
}
