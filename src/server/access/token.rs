//! JSON Web Tokens signed with ES256, the one algorithm there is here: a token that
//! names another is none of ours, so nobody can choose a weaker one.
//!
//! Source: RFC 7515 (JWS compact form), RFC 7518 3.4 (ES256), RFC 7517 (JWK), RFC 8725
//! (best practices). What the claims mean is left to `service_account`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde_json::{Value, json};

/// Longest token that is looked at. Ours are below 2 KB; 16 KB leaves room for many audiences.
const TOKEN_MAX_BYTES: usize = 16 * 1024;

/// Signs and verifies.
#[derive(Debug)]
pub(crate) struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    key_id: String,
}

/// A text that is no token of this signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("it is no signed token")]
    Malformed,
    #[error("it was not signed here")]
    Foreign,
}

// === impl Signer ===

impl Signer {
    /// A signer with this key (PKCS #8); `None` where the bytes are no P-256 key.
    pub(crate) fn new(pkcs8: &[u8]) -> Option<Self> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random).ok()?;
        let key_id = BASE64.encode(digest::digest(&digest::SHA256, key.public_key().as_ref()));
        Some(Self { key, random, key_id })
    }

    /// A new key (PKCS #8).
    pub(crate) fn generate() -> Option<Vec<u8>> {
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Some(key.ok()?.as_ref().to_vec())
    }

    pub(crate) fn sign(&self, claims: &Value) -> Result<String, ring::error::Unspecified> {
        let header = json!({"alg": "ES256", "kid": self.key_id, "typ": "JWT"});
        let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let signature = self.key.sign(&self.random, signed.as_bytes())?;
        Ok(format!("{signed}.{}", BASE64.encode(signature)))
    }

    /// The claims of a token that was signed here.
    pub(crate) fn verify(&self, token: &str) -> Result<Value, TokenError> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header = part(header)?;
        if header["alg"] != "ES256" || header["kid"] != *self.key_id || header.get("crit").is_some() {
            return Err(TokenError::Foreign);
        }
        let signature = BASE64.decode(signature).map_err(|_| TokenError::Malformed)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key())
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| TokenError::Foreign)?;
        part(claims)
    }

    /// What others verify tokens with (RFC 7517).
    pub(crate) fn key_set(&self) -> Value {
        // An uncompressed point: 4, then x and y of 32 bytes each (SEC 1, 2.3.3).
        let point = self.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        json!({"keys": [{
            "use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256",
            "x": BASE64.encode(x), "y": BASE64.encode(y),
        }]})
    }
}

fn part(text: &str) -> Result<Value, TokenError> {
    let bytes = BASE64.decode(text).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::new(&Signer::generate().unwrap()).unwrap()
    }

    #[test]
    fn a_token_gives_back_its_claims() {
        let (signer, claims) = (signer(), json!({"sub": "a", "aud": ["b"]}));
        assert_eq!(signer.verify(&signer.sign(&claims).unwrap()), Ok(claims));
    }

    #[test]
    fn what_was_changed_or_signed_elsewhere_is_foreign() {
        let (ours, theirs) = (signer(), signer());
        let token = theirs.sign(&json!({"sub": "a"})).unwrap();
        assert_eq!(ours.verify(&token), Err(TokenError::Foreign));
        let token = ours.sign(&json!({"sub": "a"})).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let other = BASE64.encode(json!({"sub": "admin"}).to_string());
        assert_eq!(ours.verify(&format!("{}.{other}.{}", parts[0], parts[2])), Err(TokenError::Foreign));
    }

    #[test]
    fn no_other_algorithm_is_taken() {
        let signer = signer();
        let claims = BASE64.encode(json!({"sub": "admin"}).to_string());
        for alg in ["none", "HS256", "RS256", "es256"] {
            let header = BASE64.encode(json!({"alg": alg, "kid": signer.key_id}).to_string());
            for signature in ["", "AAAA"] {
                assert_eq!(
                    signer.verify(&format!("{header}.{claims}.{signature}")),
                    Err(TokenError::Foreign),
                    "{alg}"
                );
            }
        }
    }

    #[test]
    fn a_text_that_is_no_token_is_told() {
        let signer = signer();
        let long = "a".repeat(TOKEN_MAX_BYTES + 1);
        for text in ["", ".", "..", "a.b", "a.b.c", "é.é.é", long.as_str()] {
            assert_eq!(signer.verify(text), Err(TokenError::Malformed), "{text}");
        }
    }
}
