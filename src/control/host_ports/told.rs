//! What a Service's status says about its ports on this machine. Pure.

use k8s_openapi::api::core::v1::{LoadBalancerIngress, LoadBalancerStatus, Service, ServiceStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Resource;
use serde_json::{Value, json};

use super::asked::is_load_balancer;

/// The condition that says whether all node ports and load balancer's ports are open.
pub(super) const PORTS_OPEN: &str = "spur.dev/PortsOpen";

/// Where load balancers listen.
const ADDRESS: &str = "127.0.0.1";

/// A port that could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missed {
    /// For machines: `PortTaken`, `PortForbidden`.
    pub(super) reason: &'static str,
    /// For people: which port, and who has it.
    pub(super) why: String,
}

/// The ports of a Service that were asked for by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) n_open: usize,
    pub(super) missed: Vec<Missed>,
}

/// The status as it should be; what others say in it stays.
pub(super) fn status(service: &Service, opened: &Opened) -> ServiceStatus {
    let old = service.status.clone().unwrap_or_default();
    let balances = is_load_balancer(service);
    let is_anothers =
        !balances && service.spec.as_ref().is_some_and(|spec| spec.load_balancer_class.is_some());
    let load_balancer = match is_anothers {
        true => old.load_balancer,
        false => {
            let ingress = LoadBalancerIngress {
                ip: Some(ADDRESS.to_owned()),
                // kube-proxy's way, and what the API fills in (`SetDefaults_ServiceStatus…IPMode`).
                ip_mode: Some("VIP".to_owned()),
                ..LoadBalancerIngress::default()
            };
            Some(LoadBalancerStatus { ingress: balances.then(|| vec![ingress]) })
        }
    };
    let conditions = old.conditions.unwrap_or_default();
    let (ours, mut others): (Vec<_>, Vec<_>) = conditions.into_iter().partition(|it| it.type_ == PORTS_OPEN);
    others.extend(condition(service, ours.into_iter().next(), opened));
    ServiceStatus { conditions: (!others.is_empty()).then_some(others), load_balancer }
}

/// Whether a status says what it should already; an empty one may be left out.
pub(super) fn is_same(old: Option<&ServiceStatus>, new: &ServiceStatus) -> bool {
    let said = |status: &ServiceStatus| {
        let ingress = status.load_balancer.as_ref().and_then(|it| it.ingress.clone()).unwrap_or_default();
        (ingress, status.conditions.clone().unwrap_or_default())
    };
    old.map(said).unwrap_or_default() == said(new)
}

/// The merge patch that makes a status this one: what is left out of it goes.
pub(super) fn patch(status: &ServiceStatus) -> Value {
    let ingress = status.load_balancer.as_ref().and_then(|it| it.ingress.as_ref());
    json!({"loadBalancer": {"ingress": ingress}, "conditions": status.conditions})
}

/// `None` for a Service that asks for no port by number.
fn condition(service: &Service, old: Option<Condition>, opened: &Opened) -> Option<Condition> {
    let (status, reason, message) = match (&opened.missed[..], opened.n_open) {
        ([], 0) => return None,
        ([], _) => ("True", "PortsOpen", String::new()),
        (missed @ [first, ..], _) => {
            let all: Vec<&str> = missed.iter().map(|missed| &*missed.why).collect();
            ("False", first.reason, all.join("; "))
        }
    };
    let since = old.filter(|old| old.status == status).map(|old| old.last_transition_time);
    Some(Condition {
        type_: PORTS_OPEN.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        observed_generation: service.meta().generation,
        last_transition_time: since.unwrap_or_else(|| Time(jiff::Timestamp::now())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(service: Value, opened: &Opened) -> Value {
        let status = status(&serde_json::from_value(service).unwrap(), opened);
        serde_json::to_value(status).unwrap()
    }

    #[test]
    fn a_load_balancer_is_this_machine() {
        let service = json!({"metadata": {"generation": 3}, "spec": {"type": "LoadBalancer"}});
        let found = told(service, &Opened { n_open: 1, missed: Vec::new() });
        assert_eq!(found["loadBalancer"], json!({"ingress": [{"ip": "127.0.0.1", "ipMode": "VIP"}]}));
        assert_eq!(found["conditions"][0]["status"], "True");
    }

    #[test]
    fn a_port_that_is_missed_is_told_beside_what_others_say() {
        let theirs = json!({"type": "theirs", "status": "True", "reason": "r", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let service = json!({"spec": {"type": "NodePort"}, "status": {"conditions": [theirs]}});
        let missed = |why: &str| Missed { reason: "PortTaken", why: why.to_owned() };
        let found = told(service.clone(), &Opened { n_open: 1, missed: vec![missed("a"), missed("b")] });
        assert_eq!(found["conditions"][0]["type"], "theirs");
        let ours = &found["conditions"][1];
        assert_eq!(
            (&ours["status"], &ours["reason"], &ours["message"]),
            (&json!("False"), &json!("PortTaken"), &json!("a; b"))
        );
        assert_eq!(found["loadBalancer"], json!({}));
        let nothing = told(service, &Opened::default());
        assert_eq!(nothing["conditions"].as_array().map(Vec::len), Some(1), "nothing is asked for");
    }

    #[test]
    fn what_another_balances_is_left_to_it() {
        let ingress = json!({"ingress": [{"ip": "10.1.2.3"}]});
        let service = json!({
            "spec": {"type": "LoadBalancer", "loadBalancerClass": "x.y/z"}, "status": {"loadBalancer": ingress},
        });
        assert_eq!(told(service, &Opened::default())["loadBalancer"], ingress);
    }
}
