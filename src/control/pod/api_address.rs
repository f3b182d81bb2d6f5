//! How programs find the API: `KUBERNETES_SERVICE_HOST` and its ports, which every client library
//! reads (client-go's `rest.InClusterConfig`).

use super::environment::Variables;

/// Where pods reach the API over TLS: a name or an address, IPv6 without brackets
/// (client-go puts them).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiAddress {
    pub(super) host: String,
    pub(super) port: u16,
}

/// The variables that every container gets, whatever `enableServiceLinks` says
/// (`pkg/kubelet/kubelet_pods.go`, `getServiceEnvVarMap`).
pub(super) fn variables(address: &ApiAddress) -> Variables {
    let ApiAddress { host, port } = address;
    let port = port.to_string();
    let pairs = [
        ("KUBERNETES_SERVICE_HOST", host),
        ("KUBERNETES_SERVICE_PORT", &port),
        ("KUBERNETES_SERVICE_PORT_HTTPS", &port),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_found_by_kubernetes_names() {
        let address = ApiAddress { host: "10.96.0.1".to_owned(), port: 443 };
        let found: Vec<_> =
            variables(&address).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let wanted = [
            "KUBERNETES_SERVICE_HOST=10.96.0.1",
            "KUBERNETES_SERVICE_PORT=443",
            "KUBERNETES_SERVICE_PORT_HTTPS=443",
        ];
        assert_eq!(found, wanted);
    }
}
