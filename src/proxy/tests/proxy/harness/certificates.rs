//! Authorities, and certificates of theirs that are good or out of date.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use spur_route::Credential;

/// An authority of its own.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate, its key, and the authorities that its holder trusts.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) authorities: Option<String>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for a server with this name.
    pub(crate) fn server(&self, name: &str) -> Pair {
        self.issue(name, ExtendedKeyUsagePurpose::ServerAuth, (2020, 4000))
    }

    /// One that has expired.
    pub(crate) fn expired(&self, name: &str) -> Pair {
        self.issue(name, ExtendedKeyUsagePurpose::ServerAuth, (2020, 2021))
    }

    /// A certificate for a client.
    pub(crate) fn client(&self) -> Pair {
        self.issue("client", ExtendedKeyUsagePurpose::ClientAuth, (2020, 4000))
    }

    fn issue(&self, name: &str, purpose: ExtendedKeyUsagePurpose, (from, until): (i32, i32)) -> Pair {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![purpose];
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem(), authorities: None }
    }
}

impl Pair {
    /// Trusting this authority.
    pub(crate) fn trusting(mut self, authority: &Authority) -> Self {
        self.authorities = Some(authority.pem.clone());
        self
    }

    pub(crate) fn credential(&self) -> Credential {
        let Self { certificate, key, authorities } = self;
        Credential {
            certificate_pem: Some(certificate.as_str().into()),
            key_pem: Some(key.as_str().into()),
            ca_pem: authorities.as_deref().map(Into::into),
        }
    }
}
