//! How programs on a network of their own find the way out: the variables that most HTTP clients read
//! (curl(1), Go's `net/http`, Python's `urllib`, Node's `undici`), in both spellings, since some read
//! one and some the other.

use std::collections::BTreeSet;
use std::net::SocketAddrV4;

use super::environment::Variables;
use crate::service_network::Addresses;

/// What no proxy is asked for, beside Services' names: the pod itself, what names within a cluster end
/// in, and Services' addresses, which curl (7.86), Go and Python's requests know as a range; who does
/// not asks the proxy, which reaches them, too.
const WITHIN: [&str; 6] = ["localhost", "127.0.0.1", "::1", ".svc", ".cluster.local", "10.96.0.0/16"];

/// The variables of a pod in `namespace` whose way out is at `egress`.
pub(super) fn variables(egress: SocketAddrV4, namespace: &str, services: &Addresses) -> Variables {
    let of_namespace = services.keys().filter(|id| &*id.namespace == namespace);
    let namespaces: BTreeSet<String> = services.keys().map(|id| format!(".{}", id.namespace)).collect();
    let mut direct: Vec<&str> = WITHIN.to_vec();
    direct.extend(of_namespace.map(|id| &*id.name));
    direct.extend(namespaces.iter().map(String::as_str));
    let (direct, proxy) = (direct.join(","), format!("http://{egress}"));
    let pairs = [("http_proxy", &proxy), ("https_proxy", &proxy), ("no_proxy", &direct)];
    let both = pairs.into_iter().flat_map(|(name, value)| {
        [(name.to_owned(), value.clone()), (name.to_ascii_uppercase(), value.clone())]
    });
    both.collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use spur_runtime::ServiceId;

    use super::*;

    #[test]
    fn everything_goes_by_the_proxy_but_what_is_within() {
        let address = Ipv4Addr::new(10, 96, 0, 9);
        let services = [("shop", "cart"), ("shop", "pricing"), ("bank", "ledger")]
            .map(|(namespace, name)| (ServiceId::new(namespace, name), address));
        let egress = SocketAddrV4::new(Ipv4Addr::new(10, 211, 0, 1), 3128);
        let found = variables(egress, "shop", &services.into());
        assert_eq!(found.len(), 6);
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"] {
            assert_eq!(found[name], "http://10.211.0.1:3128");
        }
        let within = "localhost,127.0.0.1,::1,.svc,.cluster.local,10.96.0.0/16,cart,pricing,.bank,.shop";
        assert_eq!((found["no_proxy"].as_str(), found["NO_PROXY"].as_str()), (within, within));
    }
}
