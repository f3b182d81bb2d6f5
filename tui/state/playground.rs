//! A request that nobody sends: its words, and where the server says it would go.

use serde_json::Value;
use spur_route::Explanation;
use spur_trace::Hop;

use super::cursor::Motion;
use super::line::Line;
use super::recount::Recount;
use super::request::Request;
use crate::event::Ask;
use crate::keys::Key;

/// Longest line of a request: what a person types, and a long URL.
const LINE_MAX_CHARS: usize = 2_000;

/// Most headers: what fits a screen.
const HEADERS_MAX: usize = 8;

/// The lines before the headers.
pub(crate) const FIELDS: [&str; 3] = ["method", "url", "from"];

/// See above.
#[derive(Clone, Debug)]
pub(crate) struct Playground {
    /// Method, URL, caller, and then headers.
    pub(crate) lines: Vec<Line>,
    pub(crate) focus: usize,
    pub(crate) is_editing: bool,
    /// Whether keys move the answer.
    pub(crate) is_answer_focused: bool,
    /// The question that is waited for.
    asked: Option<String>,
    pub(crate) answer: Option<Result<Box<Explanation>, String>>,
    /// The first line of the answer that is in view.
    pub(crate) top: usize,
    /// Where the request comes from, if it was loaded.
    pub(crate) loaded: Option<String>,
    pub(crate) recount: Option<Recount>,
}

// === impl Playground ===

impl Default for Playground {
    fn default() -> Self {
        Self {
            lines: vec![Line::of("GET"), Line::of("http://"), Line::default(), Line::default()],
            focus: 1,
            is_editing: false,
            is_answer_focused: false,
            asked: None,
            answer: None,
            top: 0,
            loaded: None,
            recount: None,
        }
    }
}

impl Playground {
    /// The name of a line.
    pub(crate) fn label(idx: usize) -> &'static str {
        FIELDS.get(idx).copied().unwrap_or("header")
    }

    /// Takes a recorded request, as far as it was recorded.
    pub(super) fn load(&mut self, hop: &Hop) {
        let Some(request) = Request::of(hop) else { return };
        let Request { method, url, from, header } = request;
        self.lines = vec![Line::of(method), Line::of(url), Line::of(from.unwrap_or_default())];
        self.lines.extend(header.map(Line::of));
        self.lines.push(Line::default());
        self.loaded = Some(format!("{} → {}", hop.caller(), hop.name()));
        (self.focus, self.answer, self.top) = (1, None, 0);
    }

    pub(super) fn go(&mut self, motion: Motion) {
        let (at, last) = match self.is_answer_focused {
            true => (&mut self.top, ANSWER_LINES_MAX),
            false => (&mut self.focus, self.lines.len() - 1),
        };
        *at = match motion {
            Motion::Up(n) => at.saturating_sub(n),
            Motion::Down(n) => at.saturating_add(n).min(last),
            Motion::Top => 0,
            Motion::Bottom => last,
        };
    }

    /// Types; whether the request is to be asked about.
    pub(super) fn edit(&mut self, key: Key) -> bool {
        match key {
            Key::Enter => {
                self.is_editing = false;
                self.tidy();
                return true;
            }
            Key::Esc => {
                self.is_editing = false;
                self.tidy();
            }
            Key::Up => self.focus = self.focus.saturating_sub(1),
            Key::Down | Key::Tab => {
                self.tidy();
                self.focus = (self.focus + 1).min(self.lines.len() - 1);
            }
            Key::Char(character) => self.lines[self.focus].push(character, LINE_MAX_CHARS),
            key => drop(self.lines[self.focus].edit(key)),
        }
        false
    }

    pub(super) fn paste(&mut self, text: &str) {
        for character in text.lines().next().unwrap_or_default().chars() {
            self.lines[self.focus].push(character, LINE_MAX_CHARS);
        }
    }

    /// One empty line for a header is there, and no two.
    fn tidy(&mut self) {
        let kept = self.lines.split_off(FIELDS.len().min(self.lines.len()));
        let headers = kept.into_iter().filter(|line| !line.text().trim().is_empty()).take(HEADERS_MAX);
        self.lines.extend(headers);
        self.lines.push(Line::default());
        self.focus = self.focus.min(self.lines.len() - 1);
    }

    /// What is to be asked.
    pub(super) fn question(&mut self) -> Ask {
        let text = |idx: usize| self.lines[idx].text().trim().to_owned();
        let headers: Vec<String> = (FIELDS.len()..self.lines.len()).map(text).collect();
        let request = Request {
            method: text(0),
            url: text(1),
            from: Some(text(2)).filter(|from| !from.is_empty()),
            header: None,
        };
        let query = request.query(headers.iter().map(String::as_str).filter(|header| !header.is_empty()));
        self.asked = Some(query.clone());
        self.answer = None;
        Ask::Explain(query)
    }

    /// Takes in an answer, where it is to what was asked last.
    pub(super) fn take(&mut self, query: &str, answer: Result<Value, String>) {
        if self.asked.as_deref() == Some(query) {
            self.asked = None;
            self.top = 0;
            self.answer = Some(answer.and_then(|value| {
                serde_json::from_value(value).map(Box::new).map_err(|error| error.to_string())
            }));
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.asked.is_some()
    }

    /// What the answer says, line by line.
    pub(crate) fn answer_lines(&self) -> Vec<String> {
        match &self.answer {
            Some(Ok(explanation)) => explanation.to_string().lines().map(str::to_owned).collect(),
            Some(Err(error)) => error.lines().map(str::to_owned).collect(),
            None => Vec::new(),
        }
    }
}

/// An explanation has a few hundred lines at most: 200 rules, and every fork.
const ANSWER_LINES_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{hop, trace};

    #[test]
    fn a_recorded_request_is_asked_about_as_far_as_it_is_known() {
        let mut playground = Playground::default();
        let trace = trace(
            1,
            vec![
                hop("gw", "front").key("pr-421").target("/a?b=c d".replace(' ', "+").as_str()),
                hop("front", "cart"),
            ],
        );
        playground.load(&trace.hops[0]);
        let Ask::Explain(query) = playground.question() else { panic!() };
        assert_eq!(
            query,
            "method=GET&url=http%3A%2F%2Ffront.shop.localhost%2Fa%3Fb%3Dc%2Bd&header=spur-key%3A%20pr-421"
        );
        playground.load(&trace.hops[1]);
        let Ask::Explain(query) = playground.question() else { panic!() };
        assert_eq!(query, "method=GET&url=http%3A%2F%2Fcart.shop%3A80%2Fcart&from=shop%2Ffront");
    }

    #[test]
    fn headers_are_lines_that_come_and_go() {
        let mut playground = Playground { focus: 3, is_editing: true, ..Playground::default() };
        "a: b".chars().for_each(|c| assert!(!playground.edit(Key::Char(c))));
        playground.edit(Key::Tab);
        assert_eq!((playground.lines.len(), playground.focus), (5, 4));
        playground.edit(Key::Up);
        (0..4).for_each(|_| assert!(!playground.edit(Key::Backspace)));
        assert!(playground.edit(Key::Enter));
        assert_eq!((playground.lines.len(), playground.is_editing), (4, false));
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let mut playground = Playground::default();
        let Ask::Explain(query) = playground.question() else { panic!() };
        playground.take("other", Err("late".to_owned()));
        assert!(playground.is_waiting() && playground.answer.is_none());
        playground.take(&query, Err("no".to_owned()));
        assert_eq!(playground.answer_lines(), ["no"]);
    }
}
