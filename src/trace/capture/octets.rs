//! How bytes are written in JSON: as text where they are UTF-8, else as base64.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use serde::{Deserialize, Serialize};

/// `{"text": …}` or `{"base64": …}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Octets<'a> {
    Text(std::borrow::Cow<'a, str>),
    Base64(std::borrow::Cow<'a, str>),
}

// === impl Octets ===

impl<'a> Octets<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.into()),
            Err(_) => Self::Base64(STANDARD.encode(bytes).into()),
        }
    }

    fn into_bytes(self) -> Result<Vec<u8>, base64::DecodeError> {
        match self {
            Self::Text(text) => Ok(text.into_owned().into_bytes()),
            Self::Base64(text) => STANDARD.decode(&*text),
        }
    }
}

/// Bytes alone.
pub(super) mod bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::Octets;

    pub(in crate::capture) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Octets::of(bytes).serialize(serializer)
    }

    pub(in crate::capture) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        Octets::deserialize(deserializer)?.into_bytes().map_err(de::Error::custom)
    }
}

/// Headers as a list of `{"name": …, "text": …}`, in their order.
pub(super) mod headers {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::Octets;

    #[derive(Serialize, Deserialize)]
    struct Header<'a> {
        name: std::borrow::Cow<'a, str>,
        #[serde(flatten)]
        value: Octets<'a>,
    }

    pub(in crate::capture) fn serialize<S: Serializer>(
        headers: &HeaderMap,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            headers.iter().map(|(name, value)| Header {
                name: name.as_str().into(),
                value: Octets::of(value.as_bytes()),
            }),
        )
    }

    pub(in crate::capture) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<HeaderMap, D::Error> {
        let list = Vec::<Header<'_>>::deserialize(deserializer)?;
        let mut headers = HeaderMap::with_capacity(list.len());
        for Header { name, value } in list {
            let name: HeaderName = name.parse().map_err(de::Error::custom)?;
            let value = value.into_bytes().map_err(de::Error::custom)?;
            headers.append(name, HeaderValue::from_bytes(&value).map_err(de::Error::custom)?);
        }
        Ok(headers)
    }
}
