//! Any list of rules and any request: the index finds what looking through them all finds.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use proptest::prelude::*;
use proptest::sample::select;
use spur_route::rules::{
    Action, DirectResponse, Filters, HttpMatch, HttpRoute, RequestView, Retries, StringMatch, ValueMatch,
};
use spur_route::{
    Ask, Destination, Outcome, RoutingTable, Rule, RuleKind, ServiceSpec, Specs, VirtualServiceSpec,
    Visibility, decide, explain, service_host,
};

// Few paths, so that they meet; some are the beginning of others.
const PATHS: [&str; 7] = ["/", "/a", "/ab", "/a/b", "/A", "/a/b/c", "/é"];
const USERS: [&str; 3] = ["ann", "bob", ""];

fn uri() -> impl Strategy<Value = StringMatch> {
    let text = select(&PATHS);
    prop_oneof![
        text.clone().prop_map(|text| StringMatch::Exact(text.into())),
        text.clone().prop_map(|text| StringMatch::Prefix(text.into())),
        text.clone().prop_map(|text| StringMatch::Prefix(text.into()).ignoring_case()),
        text.prop_map(|text| StringMatch::regex(&format!("{text}.?")).unwrap()),
    ]
}

fn condition() -> impl Strategy<Value = HttpMatch> {
    let value = prop_oneof![
        Just(ValueMatch::Present),
        select(&USERS).prop_map(|user| ValueMatch::Is(StringMatch::Exact(user.into()))),
    ];
    let user = || proptest::option::weighted(0.3, value.clone());
    let method = proptest::option::weighted(0.2, Just(StringMatch::Exact("GET".into())));
    (proptest::option::weighted(0.8, uri()), user(), user(), method).prop_map(
        |(uri, with, without, method)| {
            let user = |value| (HeaderName::from_static("user"), value);
            HttpMatch {
                uri,
                method,
                headers: with.map(user).into_iter().collect(),
                without_headers: without.map(user).into_iter().collect(),
                ..HttpMatch::default()
            }
        },
    )
}

fn routes() -> impl Strategy<Value = Vec<Vec<HttpMatch>>> {
    proptest::collection::vec(proptest::collection::vec(condition(), 0..3), 0..30)
}

fn build(routes: &[Vec<HttpMatch>]) -> RoutingTable {
    let route = |(place, matches): (usize, &Vec<HttpMatch>)| {
        let rule = Rule {
            kind: RuleKind::VirtualService,
            namespace: "shop".into(),
            name: "v".into(),
            revision: 1,
            route: Some(format!("http[{place}]").into()),
        };
        Arc::new(HttpRoute {
            rule: Arc::new(rule),
            matches: matches.clone(),
            action: Action::Respond(DirectResponse {
                status: 200 + u16::try_from(place).unwrap(),
                body: bytes::Bytes::new(),
            }),
            filters: Filters::default(),
            timeout: None,
            retries: Retries::Default,
        })
    };
    let http = routes.iter().enumerate().map(route).collect();
    let hosts = vec![service_host("shop", "s").into()];
    let spec = VirtualServiceSpec::new(("shop".into(), "v".into()), hosts, vec!["mesh".into()], http);
    let service = ServiceSpec {
        namespace: "shop".into(),
        name: "s".into(),
        revision: 1,
        hosts: Vec::new(),
        export_to: Visibility::Everyone,
        affinity: None,
        datagrams: Vec::new(),
        ports: vec![spur_route::PortSpec { number: 80, name: Arc::default(), wire: spur_route::Wire::Auto }],
        endpoints: Vec::new(),
    };
    let mut specs = Specs::of_services(vec![service]);
    Arc::make_mut(&mut specs.rules).virtual_services.push(Arc::new(spec));
    RoutingTable::of(1, specs)
}

fn slow(routes: &[Vec<HttpMatch>], request: &RequestView<'_>) -> Option<usize> {
    routes.iter().position(|matches| matches.is_empty() || matches.iter().any(|it| it.holds(request)))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(500),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_index_finds_the_first_rule_that_matches(
        routes in routes(),
        path in select(&PATHS),
        more in "[a/]{0,2}",
        user in proptest::option::of(select(&USERS)),
        is_get in any::<bool>(),
    ) {
        // Only the host has letters beyond ASCII; a path has them escaped or as they are.
        let uri: Uri = format!("{path}{more}").parse().unwrap_or_default();
        let mut headers = HeaderMap::new();
        if let Some(user) = user {
            headers.insert("user", HeaderValue::from_static(user));
        }
        let method = if is_get { Method::GET } else { Method::POST };
        let request = RequestView {
            path: uri.path(), query: None, method: &method, scheme: "http", authority: "", headers: &headers,
            port: 80, source_namespace: None, source_labels: None, gateways: &["mesh".into()],
        };
        let expected = slow(&routes, &request);
        let destination = Destination::Service { namespace: "shop", service: "s", port: 80 };
        let ask = Ask {
            destination, source: None, method: &method, uri: &uri, host: "", headers: &headers,
            is_tls: false, server: None, lot: 0, is_connection: false,
        };
        let table = build(&routes);
        let verdict = decide(&table, &ask);
        match verdict.outcome {
            Outcome::Respond { status, .. } => prop_assert_eq!(Some(usize::from(status) - 200), expected),
            Outcome::Refuse { .. } | Outcome::Forward { .. } => prop_assert_eq!(None, expected),
        }
        let explanation = explain(&table, &ask);
        prop_assert_eq!(&explanation.verdict, &verdict);
        let matching = explanation.rules.iter().position(|finding| finding.why_not.is_empty());
        prop_assert_eq!(matching, expected);
        // Every rule that does not match says why, for each of its conditions.
        for (finding, matches) in explanation.rules.iter().zip(&routes).take(expected.unwrap_or(routes.len())) {
            prop_assert_eq!(finding.why_not.len(), matches.len());
        }
    }

    #[test]
    fn a_condition_that_does_not_hold_has_a_reason(condition in condition(), path in select(&PATHS), user in proptest::option::of(select(&USERS))) {
        let mut headers = HeaderMap::new();
        if let Some(user) = user {
            headers.insert("user", HeaderValue::from_static(user));
        }
        let request = RequestView {
            path, query: None, method: &Method::GET, scheme: "http", authority: "", headers: &headers,
            port: 80, source_namespace: None, source_labels: None, gateways: &[],
        };
        prop_assert_eq!(condition.holds(&request), condition.why_not(&request).is_none());
    }
}
