//! Whole rules: those of upstream's own test of the compiler, messages, and rules in use.

use serde_json::json;

use super::super::{everything, faults, int_or_string, list, map, object, text_of_format};
use super::{accepted, double, flag, int, text};

#[test]
fn rules_of_compilation_test() {
    accepted(
        &text(),
        &["self.startsWith('s')", "self.contains('test')", "self == \"x\"", "self.find('[0-9]+') == ''"],
    );
    accepted(&text_of_format("byte"), &["string(self).endsWith('s')", "self == b\"x\""]);
    accepted(&flag(), &["self == true"]);
    accepted(&int(), &["self > 0", "self >= oldSelf", "self == 5"]);
    accepted(&list(list(text())), &["size(self[0]) == 10"]);
    accepted(&list(list(list(text()))), &["size(self[0][0]) == 10"]);
    accepted(&list(object(json!({"o": object(json!({"v": int()}))}))), &["self[0].o.v == 10"]);
    accepted(&map(flag()), &["size(self) > 0", "has(self.x)", "self.all(x, true)"]);
    accepted(
        &list(double()),
        &["self[1] == 0.0", "self.all(x, self.all(y, self.all(z, true)))", "self.all(x, x == 0.0)"],
    );
    accepted(&list(list(double())), &["self[0][0] == -1.0"]);
    accepted(&list(map(double())), &["self.all(x, x.y == 25.2)", "self[0].x > 2.0"]);
    accepted(&list(map(object(json!({"r": text()})))), &["self.all(x, x[\"y\"].r == \"z\")"]);
    accepted(&list(object(json!({"r": text()}))), &["self[0] == null"]);
    accepted(&list(text_of_format("duration")), &["self[0].getHours() == 2"]);
    accepted(&list(text_of_format("date")), &["self[2].getDayOfMonth() == 13"]);
    accepted(&list(text_of_format("date-time")), &["self[2].getMinutes() == 45"]);
    accepted(&list(int_or_string()), &["self.all(x, true)", "self[0] == 5"]);
}

#[test]
fn messages() {
    for message in
        ["\"should start with 's'\"", "'n is ' + string(self.n)", "self.s", "self.b ? 'a' : self.s"]
    {
        let rule = json!({"rule": "self.b", "messageExpression": message});
        assert_eq!(faults(&everything(), false, rule), [""; 0], "{message}");
    }
}

/// Rules of operators that run in clusters: Karpenter, Kueue, Gardener, agentgateway, OpenShift and
/// some small ones.
#[test]
fn rules_in_use() {
    accepted(
        &map(text()),
        &[
            "self.all(k, k != '' && self[k] != '')",
            "self.all(x, x in ['a/b', 'c/d'] || x.find('^([^/]+)').endsWith('node.kubernetes.io') || \
             !x.find('^([^/]+)').endsWith('kubernetes.io'))",
            "self.all(key, !key.lowerAscii().matches('^(authorization|cookie)$'))",
        ],
    );
    accepted(&map(int_or_string()), &["self.all(x, !self[x].startsWith('-'))"]);
    accepted(
        &list(object(json!({"id": text(), "tags": map(text()), "root": flag(), "kind": text()}))),
        &[
            "!self.all(x, has(x.id) && (has(x.tags) || has(x.kind)))",
            "self.filter(x, has(x.root)?x.root==true:false).size() <= 1",
            "self.all(x, self.exists_one(y, y.id == x.id))",
            "self.all(p, self.exists_one(q, (has(p.id) ? p.id.lowerAscii() : '*') == (has(q.id) ? \
             q.id.lowerAscii() : '*')))",
            "self.all(r, (r.kind == 'Service' && r.id == '') || (r.kind in ['Gateway', 'HTTPRoute'] && \
             r.id == 'gateway.networking.k8s.io'))",
            "size(self) == 0 || !self.exists(x, has(x.id) && x.id == '*') || size(self) == 1",
        ],
    );
    accepted(
        &list(text()),
        &[
            "self.all(p, ''.matches(p) ? true : true)",
            "self.filter(c, isCIDR(c) && cidr(c).ip().family() == 4).size() <= 1",
            "self.all(arg, arg.size() > 0)",
        ],
    );
    let groups = list(object(json!({"flavors": list(object(json!({
        "resources": list(object(json!({"limit": int_or_string()}))),
    })))})));
    accepted(
        &object(json!({"cohort": text(), "groups": groups, "size": text(), "keep": text(), "n": int()})),
        &[
            "!has(self.cohort) && has(self.groups) ? self.groups.all(rg, rg.flavors.all(f, \
             f.resources.all(r, !has(r.limit)))) : true",
            "has(self.cohort) != has(self.size)",
            "has(self.cohort) == has(oldSelf.cohort) && (!has(self.cohort) || self.cohort == oldSelf.cohort)",
            "quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
            "duration(self.keep) >= duration('1s') && duration(self.keep) <= duration('1h')",
            "self.keep.endsWith('d') ? int(self.keep.substring(0, size(self.keep) - 1)) >= 1 : \
             duration(self.keep) > duration('0s')",
            "self.n == 0 || (self.n >= 64 && self.n <= 262144)",
            "size(self.groups) >= self.n",
        ],
    );
    accepted(
        &int_or_string(),
        &[
            "quantity(string(self)).isGreaterThan(quantity('0'))",
            "quantity(self).compareTo(quantity(oldSelf)) >= 0",
            "type(self) == int ? (self == 0 || self == 1) : self.matches('^0$')",
            "type(self) == int ? (self >= 0 && self <= 255) : self in ['all', 'icmp']",
            "type(self) != string || !self.endsWith('m')",
            "type(self) == int ? self >= 0 : true",
            "type(self) == string ? self.matches(r\"^[1-9]+[0-9]*([EPTGMK]i|[EPTGMk])?$\") : type(self) == int",
            "type(self) == int ? self >= 0 : sign(quantity(self)) >= 0",
        ],
    );
    accepted(
        &text(),
        &[
            "type(oldSelf) == null_type || self == oldSelf",
            "self.split('.').all(s, size(s) <= 63)",
            "self.split('/', 2)[0].matches(\"^[a-z0-9](\\\\.[a-z0-9])*$\")",
            "self.split('/')[self.split('/').size()-1].contains(':')",
            "self.split(':').size() != 2 || (self.startsWith('*:') || isIP(self.split(':')[0]))",
            "self.split(':')[0].contains('.') || uint(self.split(':')[0]) <= 65535u",
        ],
    );
}
