//! Content-hashed ids. An id is shown in hexadecimal, and any unique prefix of it is enough to name the thing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of an id: 80 bits, so that the probability of a collision among a million jobs is 4e-13.
const BYTES: usize = 10;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; BYTES]);

        impl $name {
            /// Returns the id of what `canonical` describes.
            pub fn of(canonical: &[u8]) -> Self {
                let mut bytes = [0; BYTES];
                bytes.copy_from_slice(&blake3::hash(canonical).as_bytes()[..BYTES]);
                Self(bytes)
            }

            /// Returns the first eight characters, which are enough to tell ids apart on a screen.
            pub fn short(&self) -> String {
                self.to_string()[..8].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let error = || ParseIdError(text.to_owned());
                if text.len() != 2 * BYTES || !text.is_ascii() {
                    return Err(error());
                }
                let mut bytes = [0; BYTES];
                for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
                    let pair = std::str::from_utf8(pair).map_err(|_| error())?;
                    *byte = u8::from_str_radix(pair, 16).map_err(|_| error())?;
                }
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A job: one GAN with its settings and seed.
    JobId
);
id!(
    /// The samples of one of the user's own data sets.
    DataId
);
id!(
    /// A blueprint: what the members of a cohort share.
    BlueprintId
);
id!(
    /// A cohort: a set of jobs with the same blueprint that train together, in a fixed order.
    CohortId
);

/// A text that is not an id.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an id: expected {len} hexadecimal characters", len = 2 * BYTES)]
pub struct ParseIdError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_text_form() {
        let id = JobId::of(b"something");
        assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
        assert!("xyz".parse::<JobId>().is_err());
        assert!("ä".repeat(10).parse::<JobId>().is_err());
    }
}
