//! A certificate authority of one's own: what the API server proves itself with,
//! and what its users do.
//!
//! Keeping its key in a file is left to whoever opens it; speaking TLS with what
//! it issues, to `tls`.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;

/// The authority's own certificate: ten years, as kubeadm's (`kubeadm/app/constants`,
/// `CACertificateValidity`).
const AUTHORITY_LASTS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// What it issues: one year, as kubeadm's (`CertificateValidity`). They are issued anew at
/// every start.
const ISSUED_LASTS: Duration = Duration::from_secs(365 * 24 * 3600);
/// Certificates hold from a little before they are made, since clocks of a machine and
/// its guests differ (kubeadm backdates by five minutes, too).
const BACKDATED: Duration = Duration::from_secs(5 * 60);

/// Issues certificates.
#[derive(Debug)]
pub struct Authority {
    certificate_pem: String,
    key_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Credential {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key (PKCS #8).
    pub key_pem: String,
}

/// A certificate that could not be made or read.
#[derive(Debug, thiserror::Error)]
#[error("failed to {tried}")]
pub struct AuthorityError {
    tried: &'static str,
    #[source]
    source: rcgen::Error,
}

// === impl Authority ===

impl Authority {
    /// A new authority with a new key.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, AuthorityError> {
        let tried = "make a certificate authority";
        let key = KeyPair::generate().map_err(because(tried))?;
        let mut params = params("spur-ca", None, AUTHORITY_LASTS);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).map_err(because(tried))?;
        let (certificate_pem, key_pem) = (certificate.pem(), key.serialize_pem());
        Ok(Self { certificate_pem, key_pem, issuer: Issuer::new(params, key) })
    }

    /// The authority that [`to_pem`](Self::to_pem) wrote down.
    ///
    /// # Errors
    /// When the text does not hold a certificate and its key.
    pub fn from_pem(text: &str) -> Result<Self, AuthorityError> {
        let tried = "read the certificate authority";
        let key = KeyPair::from_pem(text).map_err(because(tried))?;
        let key_pem = key.serialize_pem();
        let begin = text.find("-----BEGIN CERTIFICATE-----").unwrap_or(0);
        let certificate_pem = text[begin..].to_owned();
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key).map_err(because(tried))?;
        Ok(Self { certificate_pem, key_pem, issuer })
    }

    /// Key and certificate in one text: whoever writes it down writes both or neither.
    pub fn to_pem(&self) -> String {
        format!("{}{}", self.key_pem, self.certificate_pem)
    }

    /// The authority's certificate, which clients trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A certificate for a server under these names and addresses.
    ///
    /// # Errors
    /// When a name is none.
    pub fn server(&self, names: &[String]) -> Result<Credential, AuthorityError> {
        let mut params = params("spur-api", None, ISSUED_LASTS);
        let tried = "make the server's certificate";
        params.subject_alt_names = CertificateParams::new(names).map_err(because(tried))?.subject_alt_names;
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth, tried)
    }

    /// A certificate for a user of this name in this group.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn client(&self, name: &str, group: &str) -> Result<Credential, AuthorityError> {
        let params = params(name, Some(group), ISSUED_LASTS);
        self.issue(params, ExtendedKeyUsagePurpose::ClientAuth, "make a client's certificate")
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        purpose: ExtendedKeyUsagePurpose,
        tried: &'static str,
    ) -> Result<Credential, AuthorityError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(because(tried))?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(because(tried))?;
        Ok(Credential { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

// === impl Credential ===

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

fn params(name: &str, group: Option<&str>, lasts: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    if let Some(group) = group {
        subject.push(DnType::OrganizationName, group);
    }
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    let now = OffsetDateTime::now_utc();
    params.not_before = now - BACKDATED;
    params.not_after = now + lasts;
    params
}

fn because(tried: &'static str) -> impl Fn(rcgen::Error) -> AuthorityError {
    move |source| AuthorityError { tried, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_the_same_after_it_was_written_down() {
        let authority = Authority::generate().unwrap();
        let again = Authority::from_pem(&authority.to_pem()).unwrap();
        assert_eq!(again.certificate_pem(), authority.certificate_pem());
        assert_eq!(again.to_pem(), authority.to_pem());
    }

    #[test]
    fn half_a_file_is_no_authority() {
        let text = Authority::generate().unwrap().to_pem();
        let half = text.find("-----BEGIN CERTIFICATE-----").unwrap();
        assert!(Authority::from_pem(&text[..half]).is_err());
        assert!(Authority::from_pem(&text[half..]).is_err());
    }
}
