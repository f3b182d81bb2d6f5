//! What this server vouches with: the key of service account tokens, and the
//! administrator's token.
//!
//! Keeping them in files is left to whoever starts the server.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;

use super::token::{Signer, TokenError};

/// What has to stay the same from one start to the next, and secret.
#[derive(Clone)]
pub struct Secrets {
    /// The key of service account tokens (P-256, PKCS #8).
    pub service_account_key: Vec<u8>,
    /// The bearer token of the administrator.
    pub admin_token: String,
}

/// The server's identity.
#[derive(Debug)]
pub struct Identity {
    signer: Signer,
    /// Compared by digest, so that how long a comparison takes tells nothing of the token.
    admin_token_digest: [u8; 32],
}

/// Secrets that could not be made or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
    /// The bytes are no key.
    #[error("the key of service account tokens is no P-256 key in PKCS #8")]
    BadKey,
    /// A token that everybody could guess.
    #[error("the administrator's token is shorter than {TOKEN_MIN_LEN} characters")]
    ShortToken,
}

/// Who issues tokens, and whom they are for unless they say otherwise: Kubernetes' default.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// 32 bytes in base64: as hard to guess as a P-256 key.
const TOKEN_LEN_BYTES: usize = 32;
/// Anything shorter was not made here. 20 characters of base64 are 120 bits.
const TOKEN_MIN_LEN: usize = 20;

// === impl Secrets ===

impl Secrets {
    /// A new key of service account tokens.
    ///
    /// # Errors
    /// [`IdentityError::NoRandom`].
    pub fn generate_key() -> Result<Vec<u8>, IdentityError> {
        Signer::generate().ok_or(IdentityError::NoRandom)
    }

    /// A new token of the administrator.
    ///
    /// # Errors
    /// [`IdentityError::NoRandom`].
    pub fn generate_token() -> Result<String, IdentityError> {
        let mut token = [0; TOKEN_LEN_BYTES];
        SystemRandom::new().fill(&mut token).map_err(|_| IdentityError::NoRandom)?;
        Ok(BASE64.encode(token))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

// === impl Identity ===

impl Identity {
    /// The identity that these secrets are of.
    ///
    /// # Errors
    /// [`IdentityError::BadKey`] and [`IdentityError::ShortToken`].
    pub fn new(secrets: &Secrets) -> Result<Self, IdentityError> {
        let Secrets { service_account_key, admin_token } = secrets;
        if admin_token.len() < TOKEN_MIN_LEN {
            return Err(IdentityError::ShortToken);
        }
        Ok(Self {
            signer: Signer::new(service_account_key).ok_or(IdentityError::BadKey)?,
            admin_token_digest: sha256(admin_token),
        })
    }

    /// An identity with new secrets, for a server that is not to be started again.
    ///
    /// # Errors
    /// [`IdentityError::NoRandom`].
    pub fn generate() -> Result<Self, IdentityError> {
        Self::new(&Secrets {
            service_account_key: Secrets::generate_key()?,
            admin_token: Secrets::generate_token()?,
        })
    }

    pub(crate) fn is_admin_token(&self, token: &str) -> bool {
        sha256(token) == self.admin_token_digest
    }

    pub(crate) fn sign(&self, claims: &Value) -> Result<String, IdentityError> {
        self.signer.sign(claims).map_err(|_| IdentityError::NoRandom)
    }

    pub(crate) fn verify(&self, token: &str) -> Result<Value, TokenError> {
        self.signer.verify(token)
    }

    pub(crate) fn key_set(&self) -> Value {
        self.signer.key_set()
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().try_into().expect("a SHA-256 digest has 32 bytes")
}
