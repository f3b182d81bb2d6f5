//! What an engine tells of a build, as the Docker CLI prints it where nothing can be drawn. Pure.

use bollard::models::BuildInfo;

/// How steps begin (`dispatchers.go` of moby: `Step %d/%d : %s`).
const STEP: &str = "Step ";

/// How far a build is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    step: Option<String>,
    id: Option<String>,
}

// === impl Progress ===

impl Progress {
    /// The text that is to be printed.
    pub(super) fn learn(&mut self, info: BuildInfo) -> Option<String> {
        if let Some(id) = info.aux.and_then(|aux| aux.id) {
            // Each step has one; the last is the image.
            self.id = Some(id);
        }
        if let Some(text) = info.stream {
            // A step's own output may look like one: those of the engine come with their number.
            if is_step(&text) {
                self.step = Some(text.trim_end().to_owned());
            }
            return Some(text);
        }
        let status = info.status?;
        // A bar would be drawn over itself; told are beginnings and ends.
        if info.progress_detail.is_some_and(|detail| detail.current.is_some()) {
            return None;
        }
        Some(match info.id {
            Some(id) => format!("{id}: {status}\n"),
            None => format!("{status}\n"),
        })
    }

    /// The step that is done now.
    pub(super) fn step(&self) -> Option<&str> {
        self.step.as_deref()
    }

    /// The image.
    pub(super) fn into_id(self) -> Option<String> {
        self.id
    }
}

/// `Step 2/3 : RUN make`
fn is_step(text: &str) -> bool {
    let number = |text: &str| text.parse::<u32>().is_ok();
    let Some((numbers, _)) = text.strip_prefix(STEP).and_then(|rest| rest.split_once(" : ")) else {
        return false;
    };
    numbers.split_once('/').is_some_and(|(step, of)| number(step) && number(of))
}

#[cfg(test)]
mod tests {
    use bollard::models::{ImageId, ProgressDetail};

    use super::*;

    #[test]
    fn steps_and_beginnings_are_told_and_bars_are_not() {
        let mut progress = Progress::default();
        let mut learn = |info: BuildInfo| progress.learn(info);
        let stream = |text: &str| BuildInfo { stream: Some(text.to_owned()), ..BuildInfo::default() };
        let status = |current| BuildInfo {
            id: Some("a1".to_owned()),
            status: Some("Downloading".to_owned()),
            progress_detail: Some(ProgressDetail { current, total: current }),
            ..BuildInfo::default()
        };
        assert_eq!(learn(stream("Step 1/2 : FROM a\n")).as_deref(), Some("Step 1/2 : FROM a\n"));
        assert_eq!(learn(status(None)).as_deref(), Some("a1: Downloading\n"));
        assert_eq!(learn(status(Some(1))), None);
        assert_eq!(learn(stream("Step 2/2 : RUN b\n")).as_deref(), Some("Step 2/2 : RUN b\n"));
        assert_eq!(learn(stream("Step by : step\n")).as_deref(), Some("Step by : step\n"));
        let aux = Some(ImageId { id: Some("sha256:1".to_owned()) });
        assert_eq!(learn(BuildInfo { aux, ..BuildInfo::default() }), None);
        assert_eq!(progress.step(), Some("Step 2/2 : RUN b"));
        assert_eq!(progress.into_id().as_deref(), Some("sha256:1"));
    }
}
