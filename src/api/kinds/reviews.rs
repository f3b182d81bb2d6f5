//! Reviews: questions that are asked by making an object, answered in its status, and
//! never kept.

use crate::registry::{Kind, Life, Rules, Scope};

const RULES: Rules =
    Rules { life: Life::Answered, acted_on_by: "answered by the server, never kept", ..Rules::PLAIN };

const fn authentication(kind: &'static str, plural: &'static str, singular: &'static str) -> Kind {
    Kind {
        group: "authentication.k8s.io",
        version: "v1",
        kind,
        plural,
        singular,
        short_names: &[],
        categories: &[],
        scope: Scope::Cluster,
        definition: "",
        subresources: &[],
        rules: RULES,
    }
}

const fn authorization(kind: &'static str, plural: &'static str, singular: &'static str) -> Kind {
    Kind { group: "authorization.k8s.io", ..authentication(kind, plural, singular) }
}

pub(crate) const TOKEN_REVIEW: Kind = Kind {
    definition: "io.k8s.api.authentication.v1.TokenReview",
    ..authentication("TokenReview", "tokenreviews", "tokenreview")
};

pub(crate) const SELF_SUBJECT_REVIEW: Kind = Kind {
    definition: "io.k8s.api.authentication.v1.SelfSubjectReview",
    ..authentication("SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview")
};

pub(crate) const SUBJECT_ACCESS_REVIEW: Kind = Kind {
    definition: "io.k8s.api.authorization.v1.SubjectAccessReview",
    ..authorization("SubjectAccessReview", "subjectaccessreviews", "subjectaccessreview")
};

pub(crate) const SELF_SUBJECT_ACCESS_REVIEW: Kind = Kind {
    definition: "io.k8s.api.authorization.v1.SelfSubjectAccessReview",
    ..authorization("SelfSubjectAccessReview", "selfsubjectaccessreviews", "selfsubjectaccessreview")
};

pub(crate) const LOCAL_SUBJECT_ACCESS_REVIEW: Kind = Kind {
    scope: Scope::Namespaced,
    definition: "io.k8s.api.authorization.v1.LocalSubjectAccessReview",
    ..authorization("LocalSubjectAccessReview", "localsubjectaccessreviews", "localsubjectaccessreview")
};

pub(crate) const SELF_SUBJECT_RULES_REVIEW: Kind = Kind {
    definition: "io.k8s.api.authorization.v1.SelfSubjectRulesReview",
    ..authorization("SelfSubjectRulesReview", "selfsubjectrulesreviews", "selfsubjectrulesreview")
};

/// What `serviceaccounts/<name>/token` takes and gives; it has no path of its own.
pub static TOKEN_REQUEST: Kind = Kind {
    scope: Scope::Namespaced,
    definition: "io.k8s.api.authentication.v1.TokenRequest",
    ..authentication("TokenRequest", "tokenrequests", "tokenrequest")
};
