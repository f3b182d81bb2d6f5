//! The world of the rows: Services with labelled endpoints, one sandbox, one DestinationRule,
//! and the rules that a row adds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use spur_route::policy::{LoadBalancer, OutlierDetection, Policy};
use spur_route::rules::{
    Action, DestinationRef, DirectResponse, Filters, HttpMatch, HttpRoute, Redirect, RedirectPath, Retries,
    WeightedDestination,
};
use spur_route::{
    Ask, Destination, DestinationRuleSpec, EndpointSpec, Explanation, Fallback, ForkSpec, GatewaySpec,
    Outcome, PortPolicies, PortSpec, RoutingTable, Rule, RuleKind, RuleSpecs, SandboxSpec, ServerHost,
    ServerSpec, Serves, ServiceSpec, Source, Specs, SubsetSpec, Verdict, Version, VirtualServiceSpec,
    Visibility, Wire, decide, service_host,
};

pub(crate) struct World {
    specs: Specs,
}

/// A request being written.
pub(crate) struct Request {
    to: String,
    host: String,
    target: Uri,
    headers: HeaderMap,
    lot: u32,
    from: Option<(String, BTreeMap<String, String>)>,
}

/// A rule being written.
pub(crate) struct RouteBuilder {
    place: usize,
    matches: Vec<HttpMatch>,
    action: Action,
}

/// GET `/` of `namespace/service:port`, or of a host on the entry listener.
pub(crate) fn get(to: &str) -> Request {
    Request {
        to: to.to_owned(),
        host: if to.contains('/') { String::new() } else { to.to_owned() },
        target: Uri::from_static("/"),
        headers: HeaderMap::new(),
        lot: 0,
        from: None,
    }
}

/// The rule at this place of its VirtualService.
pub(crate) fn route(place: usize) -> RouteBuilder {
    RouteBuilder { place, matches: Vec::new(), action: Action::Forward(Vec::new()) }
}

fn service(name: &str, ports: &[u16], pods: &[(&str, &str)]) -> ServiceSpec {
    let endpoint = |(port, (pod, version)): (u16, &(&str, &str))| EndpointSpec {
        port,
        address: ([127, 0, 0, 1], 31_000 + u16::from(pod.as_bytes()[1] & 7)).into(),
        pod: (*pod).into(),
        workload: name.into(),
        labels: Arc::new(BTreeMap::from([("version".to_owned(), (*version).to_owned())])),
        is_ready: true,
    };
    ServiceSpec {
        namespace: "shop".into(),
        name: name.into(),
        revision: 3,
        hosts: Vec::new(),
        export_to: Visibility::Everyone,
        affinity: None,
        datagrams: Vec::new(),
        ports: ports
            .iter()
            .map(|number| PortSpec { number: *number, name: Arc::default(), wire: Wire::Auto })
            .collect(),
        endpoints: ports.iter().flat_map(|port| pods.iter().map(|pod| endpoint((*port, pod)))).collect(),
    }
}

fn destination_rule() -> DestinationRuleSpec {
    let subset = |version: &str, policy| SubsetSpec {
        name: version.into(),
        labels: vec![("version".into(), version.into())],
        policy: PortPolicies { all: policy, by_port: Vec::new() },
    };
    let lb = |balancer| Policy { load_balancer: Some(balancer), ..Policy::default() };
    let ejects = OutlierDetection { interval: Duration::from_secs(1), ..OutlierDetection::default() };
    DestinationRuleSpec {
        rule: rule(RuleKind::DestinationRule, "reviews", None),
        host: service_host("shop", "reviews").into(),
        export_to: Visibility::Everyone,
        policy: PortPolicies {
            all: Policy { outlier_detection: Some(ejects), ..lb(LoadBalancer::RoundRobin) },
            by_port: Vec::new(),
        },
        subsets: vec![
            subset("v1", Policy::default()),
            subset("v2", lb(LoadBalancer::Random)),
            subset("v3", Policy::default()),
            subset("v4", Policy::default()),
        ],
    }
}

fn rule(kind: RuleKind, name: &str, route: Option<String>) -> Arc<Rule> {
    let route = route.map(Arc::from);
    Arc::new(Rule { kind, namespace: "shop".into(), name: name.into(), revision: 9, route })
}

// === impl World ===

impl World {
    pub(crate) fn new() -> Self {
        let sandbox = |name: &str, forks| SandboxSpec {
            namespace: "shop".into(),
            name: name.into(),
            revision: 5,
            key: name.into(),
            fallback: Fallback::Baseline,
            forks,
        };
        let fork = ForkSpec {
            service: "reviews".into(),
            workload: "reviews".into(),
            datagrams: Vec::new(),
            endpoints: service("reviews", &[80], &[("pr-1-reviews-0", "")]).endpoints,
        };
        let mut specs = Specs {
            sandboxes: vec![sandbox("pr-1", vec![fork]), sandbox("pr-2", Vec::new())],
            ..Specs::of_services(vec![
                service("reviews", &[80], &[("v1-0", "v1"), ("v2-0", "v2"), ("v3-0", "v3")]),
                service("ratings", &[80], &[("ratings-0", "v1")]),
                service("two-ports", &[80, 9090], &[("two-0", "v1")]),
            ])
        };
        Arc::make_mut(&mut specs.rules).destination_rules.push(Arc::new(destination_rule()));
        Self { specs }
    }

    /// Rules for a Service of the same name.
    pub(crate) fn virtual_service(self, name: &str, gateways: &[&str], routes: Vec<RouteBuilder>) -> Self {
        self.virtual_service_of(name, &[&service_host("shop", name)], gateways, routes)
    }

    pub(crate) fn virtual_service_of(
        mut self,
        name: &str,
        hosts: &[&str],
        gateways: &[&str],
        routes: Vec<RouteBuilder>,
    ) -> Self {
        let spec = VirtualServiceSpec::new(
            ("shop".into(), name.into()),
            hosts.iter().map(|host| (*host).into()).collect(),
            gateways.iter().map(|gateway| (*gateway).into()).collect(),
            routes.into_iter().map(|route| Arc::new(route.build(name))).collect(),
        );
        self.rules_mut().virtual_services.push(Arc::new(spec));
        self
    }

    fn rules_mut(&mut self) -> &mut RuleSpecs {
        Arc::make_mut(&mut self.specs.rules)
    }

    pub(crate) fn gateway(self, id: &str, port: u16, hosts: &[&str]) -> Self {
        self.gateway_with(id, port, hosts, false)
    }

    pub(crate) fn gateway_to_https(self, id: &str, port: u16, hosts: &[&str]) -> Self {
        self.gateway_with(id, port, hosts, true)
    }

    fn gateway_with(mut self, id: &str, port: u16, hosts: &[&str], redirects_to_https: bool) -> Self {
        let hosts = hosts.iter().map(|host| ServerHost { namespace: None, host: (*host).into() }).collect();
        let servers = vec![ServerSpec { port, hosts, redirects_to_https, serves: Serves::Http }];
        let spec = GatewaySpec { id: id.into(), namespace: "shop".into(), servers };
        self.rules_mut().gateways.push(Arc::new(spec));
        self
    }

    /// Compares the verdict in words:
    /// `service [subset] [sandbox NS/NAME] [rule] [weight/of] reason → pods|status asked`.
    #[track_caller]
    pub(crate) fn check(&self, request: Request, expected: &str) {
        assert_eq!(self.words(&request), expected);
    }

    pub(crate) fn words(&self, request: &Request) -> String {
        let verdict = self.verdict(request);
        assert_eq!(self.explain(request).verdict, verdict);
        let mut words = vec![verdict.service.as_ref().map_or("-".to_owned(), |service| service.to_string())];
        words.extend(verdict.subset.as_deref().map(str::to_owned));
        if let Version::Sandbox(_) = verdict.version {
            words.push(verdict.version.to_string());
        }
        words.extend(verdict.rule.as_ref().and_then(|rule| rule.route.as_deref()).map(str::to_owned));
        words.extend(verdict.share.map(|share| format!("{}/{}", share.weight, share.of)));
        words.push(verdict.reason.to_string());
        words.push("→".to_owned());
        match &verdict.outcome {
            Outcome::Forward { backends } => {
                let pods: Vec<&str> = backends.iter().map(|backend| &*backend.pod).collect();
                words.push(pods.join(","));
            }
            Outcome::Respond { status, location } => {
                words.push(status.to_string());
                words.extend(location.as_deref().map(str::to_owned));
            }
            Outcome::Refuse { status, asked } => words.push(format!("{status} {asked}")),
        }
        words.join(" ")
    }

    pub(crate) fn verdict(&self, request: &Request) -> Verdict {
        request.ask(|ask| decide(&self.table(), ask))
    }

    pub(crate) fn explain(&self, request: &Request) -> Explanation {
        request.ask(|ask| spur_route::explain(&self.table(), ask))
    }

    fn table(&self) -> RoutingTable {
        RoutingTable::of(7, self.specs.clone())
    }
}

// === impl Request ===

impl Request {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn target(mut self, target: &str) -> Self {
        self.target = target.parse().unwrap();
        self
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    pub(crate) fn lot(mut self, lot: u32) -> Self {
        self.lot = lot;
        self
    }

    pub(crate) fn from(mut self, namespace: &str, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.from = Some((namespace.to_owned(), labels.collect()));
        self
    }

    fn ask<T>(&self, ask: impl FnOnce(&Ask<'_>) -> T) -> T {
        let destination = match self.to.split_once('/') {
            Some((namespace, rest)) => {
                let (service, port) = rest.split_once(':').unwrap();
                Destination::Service { namespace, service, port: port.parse().unwrap() }
            }
            None => Destination::Host(&self.to),
        };
        let source = self.from.as_ref().map(|(namespace, labels)| Source {
            namespace,
            workload: "caller",
            labels: Some(labels),
            sandbox: None,
        });
        ask(&Ask {
            destination,
            source,
            method: &Method::GET,
            uri: &self.target,
            host: &self.host,
            headers: &self.headers,
            is_tls: false,
            server: None,
            lot: self.lot,
            is_connection: false,
        })
    }
}

// === impl RouteBuilder ===

impl RouteBuilder {
    pub(crate) fn when(mut self, condition: HttpMatch) -> Self {
        self.matches.push(condition);
        self
    }

    pub(crate) fn to(mut self, service: &str, subset: Option<&str>, weight: u32) -> Self {
        let Action::Forward(destinations) = &mut self.action else { panic!("the rule forwards nothing") };
        let to = DestinationRef {
            namespace: "shop".into(),
            name: service.into(),
            subset: subset.map(Arc::from),
            port: None,
        };
        destinations.push(WeightedDestination { to, weight, headers: None });
        self
    }

    pub(crate) fn redirect(mut self, prefix: &str) -> Self {
        let path = Some(RedirectPath::Prefix(prefix.into()));
        self.action =
            Action::Redirect(Redirect { path, authority: None, port: None, scheme: None, status: 301 });
        self
    }

    pub(crate) fn respond(mut self, status: u16) -> Self {
        self.action = Action::Respond(DirectResponse { status, body: Bytes::new() });
        self
    }

    fn build(self, name: &str) -> HttpRoute {
        let Self { place, matches, action } = self;
        HttpRoute {
            rule: rule(RuleKind::VirtualService, name, Some(format!("http[{place}]"))),
            matches,
            action,
            filters: Filters::default(),
            timeout: None,
            retries: Retries::Default,
        }
    }
}
