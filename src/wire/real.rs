//! Floats that may not be finite, in JSON: a number, or one of the strings `nan`, `inf`, `-inf`. For
//! `#[serde(with = "real")]`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Real<'a> {
    Number(f64),
    Text(std::borrow::Cow<'a, str>),
}

/// Writes `value`.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let real = match *value {
        v if v.is_nan() => Real::Text("nan".into()),
        f64::INFINITY => Real::Text("inf".into()),
        f64::NEG_INFINITY => Real::Text("-inf".into()),
        v => Real::Number(v),
    };
    real.serialize(serializer)
}

/// Reads what [`serialize`] wrote.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match Real::deserialize(deserializer)? {
        Real::Number(value) => Ok(value),
        Real::Text(text) => match text.as_ref() {
            "nan" => Ok(f64::NAN),
            "inf" => Ok(f64::INFINITY),
            "-inf" => Ok(f64::NEG_INFINITY),
            other => Err(serde::de::Error::custom(format!("`{other}` is not a number, nan, inf or -inf"))),
        },
    }
}
