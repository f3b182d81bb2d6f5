//! Whether the certificates of gateways' servers can be used, for their status and for `spur proxy`.

use std::error::Error as _;

use spur_net::{AskedClients, Terminate, TerminateTerms, Versions};
use spur_route::{ClientCertificates, RoutingTable, TlsEnd, TlsServer};

/// What is wrong with the certificates of a table's servers: the gateway, as `namespace/name`, and
/// the fault.
pub fn certificate_faults(table: &RoutingTable) -> Vec<(String, String)> {
    let fault = |server: &TlsServer| {
        let fault = fault(server)?;
        let what = format!("the server at port {} is not served: {fault}", server.port);
        Some((server.gateway.to_string(), what))
    };
    table.tls_servers().filter_map(|server| fault(server)).collect()
}

fn fault(server: &TlsServer) -> Option<String> {
    let TlsEnd::Here { terms, inside: _, credential } = &server.end else { return None };
    let name = &terms.credential;
    let Some(held) = credential else {
        return Some(format!("there is no Secret `{name}` with a certificate"));
    };
    let authorities = held.ca_pem.as_deref().unwrap_or_default();
    let made = Terminate::new(TerminateTerms {
        certificate_pem: held.certificate_pem.as_deref().unwrap_or_default(),
        key_pem: held.key_pem.as_deref().unwrap_or_default(),
        clients: match terms.clients {
            ClientCertificates::NotAsked => AskedClients::None,
            ClientCertificates::Optional => AskedClients::Optional(authorities),
            ClientCertificates::Required => AskedClients::Required(authorities),
        },
        versions: Versions::Both,
        is_http: false,
    });
    let error = made.err()?;
    let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    Some(format!("Secret `{name}` cannot be used: {error}{source}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use spur_net::Authority;
    use spur_route::{
        Credential, CredentialSpec, GatewaySpec, RuleSpecs, ServerHost, ServerSpec, Serves, Specs, TlsTerms,
        TlsVersion,
    };

    use super::*;

    fn server(port: u16, credential: &str, clients: ClientCertificates) -> ServerSpec {
        let (oldest, newest) = (TlsVersion::V1_2, TlsVersion::V1_3);
        let terms = TlsTerms { credential: credential.into(), clients, oldest, newest };
        let hosts = vec![ServerHost { namespace: None, host: "a.com".into() }];
        ServerSpec { port, hosts, redirects_to_https: false, serves: Serves::Https(terms) }
    }

    #[test]
    fn missing_and_broken_secrets_are_told_and_good_ones_are_not() {
        let authority = Authority::generate().expect("an authority");
        let pair = authority.server(&["a.com".to_owned()]).expect("a certificate");
        let secret = |name: &str, key: &str| CredentialSpec {
            namespace: "shop".into(),
            name: name.into(),
            credential: Credential {
                certificate_pem: Some(pair.certificate_pem.as_str().into()),
                key_pem: Some(key.into()),
                ca_pem: None,
            },
        };
        let servers = vec![
            server(443, "good", ClientCertificates::NotAsked),
            server(444, "missing", ClientCertificates::NotAsked),
            server(445, "broken", ClientCertificates::NotAsked),
            server(446, "good", ClientCertificates::Required),
        ];
        let gateway = GatewaySpec { id: "shop/edge".into(), namespace: "shop".into(), servers };
        let rules = RuleSpecs {
            gateways: vec![Arc::new(gateway)],
            credentials: vec![secret("good", &pair.key_pem), secret("broken", "no key")],
            ..RuleSpecs::default()
        };
        let table = RoutingTable::of(1, Specs { rules: rules.into(), ..Specs::default() });
        let faults = certificate_faults(&table);
        assert!(faults.iter().all(|(gateway, _)| gateway == "shop/edge"));
        let faults: Vec<&str> = faults.iter().map(|(_, fault)| &**fault).collect();
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert_eq!(
            faults[0],
            "the server at port 444 is not served: there is no Secret `missing` with a certificate"
        );
        assert!(
            faults[1].starts_with("the server at port 445 is not served: Secret `broken` cannot be used")
        );
        assert!(faults[2].starts_with("the server at port 446 is not served: Secret `good` cannot be used"));
    }
}
