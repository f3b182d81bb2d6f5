//! What the API is told of a pod, and when: each status once, and never that the
//! pod is ready before its ports can be read.

use std::time::SystemTime;

use k8s_openapi::api::core::v1::{PodCondition, PodStatus};
use kube::ResourceExt;
use spur_api::labels;

use super::super::ports::PodPorts;
use super::super::report::{self, Written};
use super::super::{conditions, container, status};
use super::{EndedBy, Worker};

// === impl Worker ===

impl Worker {
    /// Writes the status, if it has changed.
    pub(in crate::pod) async fn report(&mut self) {
        let mut status = self.status();
        if !self.is_annotated && is_ready(&status) {
            // Nobody may learn that the pod is ready before its ports can be read.
            self.annotate().await;
            if !self.is_annotated {
                return;
            }
            status = self.status();
        }
        if status == self.written || self.was_over {
            return;
        }
        match report::status(&self.shared.ctx.client, &self.pod, &status).await {
            Ok(Written::Yes | Written::Gone) => {
                self.written = status;
                self.retry.succeeded();
            }
            Err(error) => self.failed("write the status", &error),
        }
    }

    /// Writes the annotation with the ports, once.
    pub(super) async fn annotate(&mut self) {
        let annotated = self.annotation().await;
        self.has_annotated(annotated);
    }

    pub(super) fn has_annotated(&mut self, annotated: Result<Written, kube::Error>) {
        match annotated {
            Ok(Written::Yes | Written::Gone) => self.is_annotated = true,
            Err(error) => self.failed("write the ports", &error),
        }
    }

    /// The write of the annotation, where there is one to be made.
    pub(super) fn annotation(&self) -> impl Future<Output = Result<Written, kube::Error>> + Send + use<> {
        let text = self.ports.as_ref().filter(|_| !self.is_annotated).and_then(PodPorts::annotation);
        let text = text.filter(|text| self.pod.annotations().get(labels::PORTS) != Some(text));
        let (client, pod) = (self.shared.ctx.client.clone(), self.pod.clone());
        async move {
            match text {
                Some(text) => report::ports(&client, &pod, &text).await,
                None => Ok(Written::Yes),
            }
        }
    }

    fn status(&self) -> PodStatus {
        let before = self.conditions_before();
        status::status(&status::Facts {
            pod: &self.pod,
            containers: &self.containers,
            policy: self.policy,
            network: self.network,
            start_time: &self.start_time,
            is_ending: self.is_ending,
            ended_by: self.ended_by.as_ref().map(EndedBy::words),
            before: &before,
            now: &container::time(SystemTime::now()),
        })
    }

    /// Ours as last written, everybody else's as last seen.
    fn conditions_before(&self) -> Vec<PodCondition> {
        let written = self.written.conditions.iter().flatten();
        let seen = self.pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let ours = written.filter(|condition| conditions::is_ours(&condition.type_));
        ours.chain(seen.filter(|condition| !conditions::is_ours(&condition.type_))).cloned().collect()
    }
}

fn is_ready(status: &PodStatus) -> bool {
    let mut conditions = status.conditions.iter().flatten();
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
