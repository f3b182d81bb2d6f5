use serde_json::{Value, json};

use super::*;

/// A job, its pods and the time; each round does what was decided, as the API would.
struct Round {
    job: Job,
    pods: Vec<Arc<Pod>>,
    now: Timestamp,
    n_made: usize,
}

// === impl Round ===

impl Round {
    fn new(fields: Value) -> Self {
        let mut spec = json!({
            "parallelism": 1, "backoffLimit": 6, "template": {"spec": {"containers": [], "restartPolicy": "Never"}},
        });
        spec.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
        let job = json!({"metadata": {"name": "load", "uid": "j"}, "spec": spec});
        let job = serde_json::from_value(job).expect("a job");
        Self { job, pods: Vec::new(), now: Timestamp::from_second(1_000_000).expect("a time"), n_made: 0 }
    }

    fn spec(&self) -> JobSpec {
        self.job.spec.clone().expect("a spec")
    }

    fn decide(&self) -> Decision {
        decide(&self.job, &self.spec(), &self.pods, self.now)
    }

    /// One round, and what it decided.
    fn go(&mut self) -> Decision {
        let decision = self.decide();
        self.job.status = Some(decision.status.clone());
        for pod in decision.release.iter().chain(&decision.spare) {
            self.change(pod, |pod| pod.metadata.finalizers = None);
        }
        let gone: Vec<_> =
            decision.end.iter().chain(&decision.spare).map(|pod| pod.metadata.uid.clone()).collect();
        self.pods.retain(|pod| !gone.contains(&pod.metadata.uid));
        for new in &decision.create {
            let mut pod = pod::make(&self.job, &self.spec(), new);
            self.n_made += 1;
            pod.metadata.uid = Some(format!("p{}", self.n_made));
            pod.metadata.name.clone_from(&pod.metadata.uid);
            self.pods.push(Arc::new(pod));
        }
        decision
    }

    /// Rounds until nothing changes.
    fn settle(&mut self) {
        for _ in 0..20 {
            let decision = self.go();
            if decision.release.is_empty() && decision.create.is_empty() && decision.end.is_empty() {
                return drop(self.go());
            }
        }
        panic!("it never settles: {:?}", self.job.status);
    }

    fn change(&mut self, pod: &Arc<Pod>, change: impl Fn(&mut Pod)) {
        for known in self.pods.iter_mut().filter(|known| known.metadata.uid == pod.metadata.uid) {
            change(Arc::make_mut(known));
        }
    }

    /// The first active pod ends like this, long ago.
    fn end(&mut self, phase: &str) {
        let active = self.pods.iter().find(|pod| pod::is_active(pod)).expect("an active pod").clone();
        let container = json!({
            "name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": i32::from(phase == "Failed"), "finishedAt": "1970-01-01T00:00:00Z"}},
        });
        let status = json!({"phase": phase, "containerStatuses": [container]});
        self.change(&active, |pod| {
            pod.status = Some(serde_json::from_value(status.clone()).expect("a status"));
        });
    }

    fn status(&self) -> JobStatus {
        self.job.status.clone().expect("a status")
    }

    fn counts(&self) -> [i32; 3] {
        let status = self.status();
        [status.active, status.succeeded, status.failed].map(Option::unwrap_or_default)
    }

    #[track_caller]
    fn check_ended(&self, type_: &str, reason: &str) {
        let known = self.status().conditions.unwrap_or_default();
        let found = conditions::holds(&known, type_).unwrap_or_else(|| panic!("no {type_}: {known:?}"));
        assert_eq!(found.reason.as_deref(), Some(reason));
        assert_eq!(conditions::finished(&self.job), Some(found));
    }
}

#[test]
fn a_job_of_one_pod_completes_in_small_steps() {
    let mut round = Round::new(json!({"completions": 1}));
    assert_eq!(round.go().create.len(), 1);
    round.go();
    assert_eq!(round.counts(), [1, 0, 0]);
    round.end("Succeeded");
    let decision = round.go();
    assert_eq!(decision.release.len(), 1);
    let uncounted = round.status().uncounted_terminated_pods.expect("it is listed");
    assert_eq!((uncounted.succeeded, round.counts()), (Some(vec!["p1".to_owned()]), [0, 0, 0]));
    let decision = round.go();
    round.check_ended("Complete", "CompletionsReached");
    assert_eq!(round.counts(), [0, 1, 0]);
    assert!(round.status().completion_time.is_some());
    assert_eq!(decision.news, [News::normal("Completed", "Job completed")]);
}

#[test]
fn a_round_that_is_done_twice_counts_once() {
    let mut round = Round::new(json!({"completions": 2, "parallelism": 2}));
    round.settle();
    round.end("Succeeded");
    let decision = round.decide();
    // The status is written, and what follows is cut off.
    round.job.status = Some(decision.status);
    let again = round.decide();
    assert_eq!(again.status, round.status());
    assert_eq!(again.release.len(), 1);
    round.settle();
    assert_eq!(round.counts(), [1, 1, 0]);
}

#[test]
fn no_more_run_than_are_still_wanted() {
    let mut round = Round::new(json!({"completions": 5, "parallelism": 3}));
    round.settle();
    assert_eq!(round.counts(), [3, 0, 0]);
    for expected in [[3, 1, 0], [3, 2, 0], [2, 3, 0], [1, 4, 0], [0, 5, 0]] {
        round.end("Succeeded");
        round.settle();
        assert_eq!(round.counts(), expected);
    }
    round.check_ended("Complete", "CompletionsReached");
}

#[test]
fn without_completions_one_success_is_enough_and_the_others_run_on() {
    let mut round = Round::new(json!({"parallelism": 2}));
    round.settle();
    round.end("Succeeded");
    round.settle();
    assert_eq!(round.counts(), [1, 1, 0]);
    round.end("Failed");
    round.settle();
    round.check_ended("Complete", "CompletionsReached");
}

#[test]
fn failures_beyond_the_limit_end_the_job_and_what_still_runs() {
    let mut round = Round::new(json!({"completions": 3, "parallelism": 2, "backoffLimit": 1}));
    round.settle();
    round.end("Failed");
    round.settle();
    assert_eq!(round.counts(), [2, 0, 1]);
    round.end("Failed");
    let decision = round.go();
    assert_eq!((decision.end.len(), decision.release.len()), (1, 2));
    round.settle();
    round.check_ended("Failed", "BackoffLimitExceeded");
    assert_eq!(round.counts(), [0, 0, 3]);
}

#[test]
fn a_failure_is_waited_after() {
    let mut round = Round::new(json!({"completions": 1}));
    round.settle();
    round.end("Failed");
    round.now = Timestamp::from_second(4).expect("a time");
    round.go();
    let decision = round.go();
    assert_eq!((decision.create.len(), decision.wake), (0, Some(Duration::from_secs(6))));
}

#[test]
fn the_deadline_ends_a_job_and_is_waited_for() {
    let mut round = Round::new(json!({"completions": 1, "activeDeadlineSeconds": 30}));
    assert_eq!(round.go().wake, Some(Duration::from_secs(30)));
    round.now = round.now.saturating_add(SignedDuration::from_secs(30)).expect("a time");
    round.settle();
    round.check_ended("Failed", "DeadlineExceeded");
}

#[test]
fn a_suspended_job_gives_up_its_pods_which_count_for_nothing() {
    let mut round = Round::new(json!({"completions": 2, "parallelism": 2}));
    round.settle();
    round.job.spec.as_mut().expect("a spec").suspend = Some(true);
    let decision = round.go();
    assert_eq!((decision.spare.len(), &decision.news[0].reason[..]), (2, "Suspended"));
    round.settle();
    assert_eq!(round.counts(), [0, 0, 0]);
    round.job.spec.as_mut().expect("a spec").suspend = Some(false);
    round.now = round.now.saturating_add(SignedDuration::from_secs(100)).expect("a time");
    let decision = round.go();
    assert_eq!((decision.create.len(), &decision.news[0].reason[..]), (2, "Resumed"));
    assert_eq!(round.status().start_time, Some(Time(round.now)));
}

#[test]
fn each_index_succeeds_once() {
    let mut round = Round::new(json!({"completions": 4, "parallelism": 2, "completionMode": "Indexed"}));
    round.settle();
    let indexes = |round: &Round| -> Vec<i32> {
        let active = round.pods.iter().filter(|pod| pod::is_active(pod));
        active.filter_map(|pod| indexes::of(pod, 4)).collect()
    };
    assert_eq!(indexes(&round), [0, 1]);
    round.end("Failed");
    round.settle();
    assert_eq!(indexes(&round), [1, 0], "the index is tried again");
    for _ in 0..4 {
        round.end("Succeeded");
        round.settle();
    }
    round.check_ended("Complete", "CompletionsReached");
    let status = round.status();
    assert_eq!(status.completed_indexes.as_deref(), Some("0-3"));
    assert_eq!(round.counts(), [0, 4, 1]);
}

#[test]
fn an_index_fails_for_itself() {
    let mut round = Round::new(json!({
        "completions": 2, "parallelism": 1, "completionMode": "Indexed", "backoffLimitPerIndex": 1,
        "backoffLimit": i32::MAX,
    }));
    round.settle();
    round.end("Failed");
    round.settle();
    let active = round.pods.iter().find(|pod| pod::is_active(pod)).expect("a pod").clone();
    assert_eq!((indexes::of(&active, 2), n_failures_before(&active)), (Some(0), 1));
    round.end("Failed");
    round.settle();
    assert_eq!(round.status().failed_indexes.as_deref(), Some("0"));
    round.end("Succeeded");
    round.settle();
    round.check_ended("Failed", "FailedIndexes");
    assert_eq!(round.counts(), [0, 1, 2]);
}

#[test]
fn the_success_policy_ends_the_others_which_have_not_failed() {
    let mut round = Round::new(json!({
        "completions": 3, "parallelism": 3, "completionMode": "Indexed",
        "successPolicy": {"rules": [{"succeededIndexes": "0"}]},
    }));
    round.settle();
    round.end("Succeeded");
    round.settle();
    round.check_ended("Complete", "SuccessPolicy");
    assert_eq!(round.counts(), [0, 1, 0]);
}

#[test]
fn the_failure_policy_ends_the_job_or_forgives() {
    let rule = |action: &str| json!({"rules": [{"action": action, "onExitCodes": {"operator": "In", "values": [1]}}]});
    let mut round = Round::new(json!({"completions": 1, "podFailurePolicy": rule("FailJob")}));
    round.settle();
    round.end("Failed");
    round.settle();
    round.check_ended("Failed", "PodFailurePolicy");
    let mut round =
        Round::new(json!({"completions": 1, "backoffLimit": 0, "podFailurePolicy": rule("Ignore")}));
    round.settle();
    round.end("Failed");
    round.settle();
    assert_eq!(round.counts(), [1, 0, 0]);
}
