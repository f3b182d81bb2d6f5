//! Functions of Kubernetes' own libraries.
//!
//! Follows the files of `k8s.io/apiserver/pkg/cel/library` that the headings name.

use super::Shape::{self, A, Bool, Bytes, Double, Duration, Int, String, Timestamp, Uint};
use super::{Overload, global, member};

const LIST: Shape = Shape::List(&A);
const STRINGS: Shape = Shape::List(&String);
const URL: Shape = Shape::Opaque("kubernetes.URL");
const QUANTITY: Shape = Shape::Opaque("kubernetes.Quantity");
const IP: Shape = Shape::Opaque("net.IP");
const CIDR: Shape = Shape::Opaque("net.CIDR");
const FORMAT: Shape = Shape::Opaque("kubernetes.NamedFormat");
const SEMVER: Shape = Shape::Opaque("kubernetes.Semver");

pub(super) const OVERLOADS: &[Overload] = &[
    // lists.go
    member("isSorted", &[Shape::List(&Int)], Bool),
    member("isSorted", &[Shape::List(&Uint)], Bool),
    member("isSorted", &[Shape::List(&Double)], Bool),
    member("isSorted", &[Shape::List(&Bool)], Bool),
    member("isSorted", &[Shape::List(&Duration)], Bool),
    member("isSorted", &[Shape::List(&Timestamp)], Bool),
    member("isSorted", &[Shape::List(&String)], Bool),
    member("isSorted", &[Shape::List(&Bytes)], Bool),
    member("sum", &[Shape::List(&Int)], Int),
    member("sum", &[Shape::List(&Uint)], Uint),
    member("sum", &[Shape::List(&Double)], Double),
    member("sum", &[Shape::List(&Duration)], Duration),
    member("max", &[Shape::List(&Int)], Int),
    member("max", &[Shape::List(&Uint)], Uint),
    member("max", &[Shape::List(&Double)], Double),
    member("max", &[Shape::List(&Bool)], Bool),
    member("max", &[Shape::List(&Duration)], Duration),
    member("max", &[Shape::List(&Timestamp)], Timestamp),
    member("max", &[Shape::List(&String)], String),
    member("max", &[Shape::List(&Bytes)], Bytes),
    member("min", &[Shape::List(&Int)], Int),
    member("min", &[Shape::List(&Uint)], Uint),
    member("min", &[Shape::List(&Double)], Double),
    member("min", &[Shape::List(&Bool)], Bool),
    member("min", &[Shape::List(&Duration)], Duration),
    member("min", &[Shape::List(&Timestamp)], Timestamp),
    member("min", &[Shape::List(&String)], String),
    member("min", &[Shape::List(&Bytes)], Bytes),
    member("indexOf", &[LIST, A], Int),
    member("lastIndexOf", &[LIST, A], Int),
    // regex.go
    member("find", &[String, String], String),
    member("findAll", &[String, String], STRINGS),
    member("findAll", &[String, String, Int], STRINGS),
    // urls.go
    global("url", &[String], URL),
    global("isURL", &[String], Bool),
    member("getScheme", &[URL], String),
    member("getHost", &[URL], String),
    member("getHostname", &[URL], String),
    member("getPort", &[URL], String),
    member("getEscapedPath", &[URL], String),
    member("getQuery", &[URL], Shape::Map(&String, &STRINGS)),
    // quantity.go
    global("quantity", &[String], QUANTITY),
    global("isQuantity", &[String], Bool),
    // The documentation calls it on a quantity, the declaration with one.
    global("sign", &[QUANTITY], Int),
    member("sign", &[QUANTITY], Int),
    member("isGreaterThan", &[QUANTITY, QUANTITY], Bool),
    member("isLessThan", &[QUANTITY, QUANTITY], Bool),
    member("compareTo", &[QUANTITY, QUANTITY], Int),
    member("asApproximateFloat", &[QUANTITY], Double),
    member("asInteger", &[QUANTITY], Int),
    member("isInteger", &[QUANTITY], Bool),
    member("add", &[QUANTITY, QUANTITY], QUANTITY),
    member("add", &[QUANTITY, Int], QUANTITY),
    member("sub", &[QUANTITY, QUANTITY], QUANTITY),
    member("sub", &[QUANTITY, Int], QUANTITY),
    // ip.go
    global("ip", &[String], IP),
    global("isIP", &[String], Bool),
    global("ip.isCanonical", &[String], Bool),
    global("string", &[IP], String),
    member("family", &[IP], Int),
    member("isUnspecified", &[IP], Bool),
    member("isLoopback", &[IP], Bool),
    member("isLinkLocalMulticast", &[IP], Bool),
    member("isLinkLocalUnicast", &[IP], Bool),
    member("isGlobalUnicast", &[IP], Bool),
    // cidr.go
    global("cidr", &[String], CIDR),
    global("isCIDR", &[String], Bool),
    global("string", &[CIDR], String),
    member("containsIP", &[CIDR, String], Bool),
    member("containsIP", &[CIDR, IP], Bool),
    member("containsCIDR", &[CIDR, String], Bool),
    member("containsCIDR", &[CIDR, CIDR], Bool),
    member("ip", &[CIDR], IP),
    member("prefixLength", &[CIDR], Int),
    member("masked", &[CIDR], CIDR),
    // format.go
    global("format.named", &[String], Shape::Optional(&FORMAT)),
    global("format.dns1123Label", &[], FORMAT),
    global("format.dns1123Subdomain", &[], FORMAT),
    global("format.dns1035Label", &[], FORMAT),
    global("format.qualifiedName", &[], FORMAT),
    global("format.dns1123LabelPrefix", &[], FORMAT),
    global("format.dns1123SubdomainPrefix", &[], FORMAT),
    global("format.dns1035LabelPrefix", &[], FORMAT),
    global("format.labelValue", &[], FORMAT),
    global("format.uri", &[], FORMAT),
    global("format.uuid", &[], FORMAT),
    global("format.byte", &[], FORMAT),
    global("format.date", &[], FORMAT),
    global("format.datetime", &[], FORMAT),
    member("validate", &[FORMAT, String], Shape::Optional(&STRINGS)),
    // semverlib.go
    global("semver", &[String], SEMVER),
    global("semver", &[String, Bool], SEMVER),
    global("isSemver", &[String], Bool),
    global("isSemver", &[String, Bool], Bool),
    member("isGreaterThan", &[SEMVER, SEMVER], Bool),
    member("isLessThan", &[SEMVER, SEMVER], Bool),
    member("compareTo", &[SEMVER, SEMVER], Int),
    member("major", &[SEMVER], Int),
    member("minor", &[SEMVER], Int),
    member("patch", &[SEMVER], Int),
];
