//! The next step of a DaemonSet on the one node, as a pure function of its pods.
//!
//! Source: `pkg/controller/daemon/daemon_controller.go` (podsShouldBeOnNode) and `update.go`
//! (rollingUpdate).

use super::node::Runs;

/// What counts in a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) name: String,
    /// Whether it is of the template as it is.
    pub(super) is_new: bool,
    pub(super) is_deleting: bool,
    pub(super) state: State,
}

/// How far a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Failed,
    Succeeded,
    Starting,
    /// Ready, and not yet for long enough.
    Ready,
    Available,
}

/// How pods of an older template are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// Somebody deletes them.
    OnDelete,
    /// The old one goes first; `has_room` where it may go while it is available.
    OldFirst { has_room: bool },
    /// The new one comes first.
    NewFirst,
}

/// What to do next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) creates_one: bool,
    /// By name.
    pub(super) deletions: Vec<String>,
}

/// The next step, given the pods oldest first.
pub(super) fn plan(runs: Runs, update: Update, pods: &[Seen]) -> Plan {
    let staying: Vec<&Seen> = pods.iter().filter(|pod| !pod.is_deleting).collect();
    let names = |pods: &[&Seen]| pods.iter().map(|pod| pod.name.clone()).collect::<Vec<_>>();
    if runs == Runs::No {
        return Plan { creates_one: false, deletions: names(&staying) };
    }
    let is_over = |pod: &&Seen| matches!(pod.state, State::Failed | State::Succeeded);
    // One that still ends, or is over and not gone, has the node's place.
    if pods.is_empty() {
        return Plan { creates_one: runs == Runs::Yes, deletions: Vec::new() };
    }
    let (over, running): (Vec<&Seen>, Vec<&Seen>) = staying.into_iter().partition(is_over);
    let mut deletions = names(&over);
    let surplus = match update {
        Update::NewFirst => surplus_of_two(&running),
        Update::OnDelete | Update::OldFirst { .. } => running.iter().skip(1).copied().collect(),
    };
    deletions.extend(names(&surplus));
    if !deletions.is_empty() || running.len() != 1 {
        return Plan { creates_one: false, deletions };
    }
    replace(update, running[0], pods.len() == 1)
}

/// One old pod serves until one new pod is available; all others go.
fn surplus_of_two<'a>(running: &[&'a Seen]) -> Vec<&'a Seen> {
    let new = running.iter().find(|pod| pod.is_new).copied();
    let old = running.iter().find(|pod| !pod.is_new).copied();
    let is_kept = |pod: &&&Seen| Some(**pod) == new || Some(**pod) == old;
    let mut surplus: Vec<&Seen> = running.iter().filter(|pod| !is_kept(pod)).copied().collect();
    if let (Some(new), Some(old)) = (new, old) {
        let is_ready = matches!(old.state, State::Ready | State::Available);
        if !is_ready || new.state == State::Available {
            surplus.push(old);
        }
    }
    surplus
}

/// The only running pod, where it is of an older template.
fn replace(update: Update, pod: &Seen, is_alone: bool) -> Plan {
    if pod.is_new {
        return Plan::default();
    }
    let is_available = pod.state == State::Available;
    match update {
        Update::OnDelete => Plan::default(),
        // While an earlier one still ends, its place is not free.
        Update::OldFirst { has_room } if (has_room && is_alone) || !is_available => {
            Plan { creates_one: false, deletions: vec![pod.name.clone()] }
        }
        Update::OldFirst { .. } => Plan::default(),
        Update::NewFirst => Plan { creates_one: true, deletions: Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a old available`, `b new starting deleting`.
    fn pods(text: &str) -> Vec<Seen> {
        let pod = |text: &str| {
            let words: Vec<&str> = text.split_whitespace().collect();
            Seen {
                name: words[0].to_owned(),
                is_new: words[1] == "new",
                is_deleting: words.get(3) == Some(&"deleting"),
                state: match words[2] {
                    "failed" => State::Failed,
                    "succeeded" => State::Succeeded,
                    "ready" => State::Ready,
                    "available" => State::Available,
                    _ => State::Starting,
                },
            }
        };
        text.split(',').filter(|text| !text.trim().is_empty()).map(pod).collect()
    }

    const OLD_FIRST: Update = Update::OldFirst { has_room: true };

    #[track_caller]
    fn check(update: Update, there: &str, creates_one: bool, deletions: &[&str]) {
        let plan = plan(Runs::Yes, update, &pods(there));
        assert_eq!(
            (plan.creates_one, &plan.deletions[..]),
            (creates_one, &deletions.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()[..]),
            "{there}"
        );
    }

    #[test]
    fn there_is_one_pod() {
        check(OLD_FIRST, "", true, &[]);
        check(OLD_FIRST, "a new starting", false, &[]);
        check(OLD_FIRST, "a new available, b new available", false, &["b"]);
        check(OLD_FIRST, "a new failed", false, &["a"]);
        check(OLD_FIRST, "a new succeeded", false, &["a"]);
        check(OLD_FIRST, "a new available deleting", false, &[]);
    }

    #[test]
    fn none_is_made_where_none_may_be() {
        let one = pods("a new available");
        assert_eq!(plan(Runs::No, OLD_FIRST, &one).deletions, ["a"]);
        assert_eq!(plan(Runs::MayStay, OLD_FIRST, &one), Plan::default());
        assert_eq!(plan(Runs::MayStay, OLD_FIRST, &[]), Plan::default());
    }

    #[test]
    fn an_old_pod_goes_first_where_one_may_be_unavailable() {
        check(OLD_FIRST, "a old available", false, &["a"]);
        check(OLD_FIRST, "a old available, b new available deleting", false, &[]);
        check(Update::OldFirst { has_room: false }, "a old available", false, &[]);
        check(Update::OldFirst { has_room: false }, "a old starting", false, &["a"]);
        check(Update::OnDelete, "a old starting", false, &[]);
    }

    #[test]
    fn with_a_surge_the_new_pod_comes_first() {
        let check = |there: &str, creates_one, deletions: &[&str]| {
            super::tests::check(Update::NewFirst, there, creates_one, deletions);
        };
        check("a old available", true, &[]);
        check("a old available, b new starting", false, &[]);
        check("a old available, b new ready", false, &[]);
        check("a old available, b new available", false, &["a"]);
        check("a old starting, b new starting", false, &["a"]);
        check("a old available, b new starting, c new starting", false, &["c"]);
        check("a old available deleting, b new available", false, &[]);
    }
}
