//! Functions of Kubernetes' own libraries, and what is taken by a real apiserver only.

use serde_json::json;

use super::super::{everything, faults};
use super::accepted;

#[test]
fn libraries_of_kubernetes() {
    accepted(
        &everything(),
        &[
            "url('/path').getScheme() == ''",
            "url('https://example.com:80/').getHost() == 'example.com:80'",
            "url('https://[::1]/').getHostname() == '::1'",
            "url(self.s).getPort() == '80'",
            "url('https://example.com/with space/').getEscapedPath() == '/with%20space/'",
            "url('https://example.com/?k1=a&k2=b&k2=c').getQuery() == { 'k1': ['a'], 'k2': ['b', 'c']}",
            "url('https://example.com/path').getQuery() == {}",
            "isURL('/path') == true",
            "quantity('50k').add(20).sub(quantity('100k')).sub(-50000) == quantity('20')",
            "isQuantity(self.s) && quantity(self.s).isGreaterThan(quantity('100Mi'))",
            "quantity('50k').asApproximateFloat() == 30000.0 && quantity('50k').asInteger() == 50000",
            "quantity('200M').compareTo(quantity('0.2G')) == 0 && quantity('1').isInteger()",
            "quantity('1').sign() == 1 && sign(quantity('1')) == 1",
            "quantity(self.any) == quantity('1')",
            "ip('127.0.0.1').family() == 4 && isIP('::1') && ip.isCanonical(self.s)",
            "string(ip(self.s)) == '::1' && !ip(self.s).isLoopback() && ip(self.s).isGlobalUnicast()",
            "cidr('192.168.0.0/24').containsIP(ip('192.168.0.1'))",
            "cidr('192.168.0.0/24').containsIP('192.168.0.1') && isCIDR(self.s)",
            "cidr('192.168.0.0/16').containsCIDR(cidr('192.168.10.0/24'))",
            "cidr('192.168.0.0/16').containsCIDR('192.168.10.0/24')",
            "cidr('::1/128').ip().family() == 6 && cidr('::1/128').prefixLength() == 128",
            "cidr('192.168.0.0/24') == cidr('192.168.0.0/24').masked()",
            "!format.dns1123Label().validate(self.s).hasValue()",
            "format.named('uuid').value().validate(self.s).value().join('; ') == ''",
            "semver('1.2.3').compareTo(semver('2.0.0')) == -1 && isSemver(self.s)",
            "semver('v1.0', true).major() == 1 && semver(self.s).isLessThan(semver('2.0.0'))",
            // Nothing is known of what these give, and Kubernetes has no `math` in rules.
            "math.greatest(self.n, 1) == 1 && self.ints.distinct() == [1] && self.ints.distinct()[0] == 'a'",
        ],
    );
}

/// What the evaluator does not know, so that it is refused here, and how.
#[test]
fn taken_by_kubernetes_only() {
    for (rule, why) in [
        ("[optional.of(1)].unwrapOpt() == [1]", "undeclared reference to 'unwrapOpt'"),
        ("self.ints.sortBy(x, x) == [1]", "undeclared reference to 'sortBy'"),
        ("[1].all(i, v, i < v)", "undeclared reference to 'all'"),
        ("self.?n.hasValue()", "unsupported syntax"),
    ] {
        let found = faults(&everything(), false, json!({"rule": rule}));
        assert!(found.len() == 1 && found[0].contains(why), "{rule}: {found:?}");
    }
}
