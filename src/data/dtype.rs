//! The number types in arrays of other programs.

use std::fmt;

use half::f16;

/// How values are stored in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dtype {
    kind: Kind,
    /// Bytes per value.
    width: usize,
    /// Big-endian.
    big: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Unsigned,
    Signed,
    Float,
    /// bfloat16: the upper half of a float32.
    Brain,
}

/// Formats it like NumPy.
impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = 8 * self.width;
        match self.kind {
            Kind::Bool => f.write_str("bool"),
            Kind::Unsigned => write!(f, "uint{bits}"),
            Kind::Signed => write!(f, "int{bits}"),
            Kind::Float => write!(f, "float{bits}"),
            Kind::Brain => write!(f, "bfloat{bits}"),
        }
    }
}

impl Dtype {
    /// Unsigned bytes.
    pub const U8: Dtype = Dtype { kind: Kind::Unsigned, width: 1, big: false };

    /// Parses NumPy's notation: `<f4`, `>i2`, `|u1`.
    pub fn of_numpy(descr: &str) -> Option<Dtype> {
        let (order, rest) = descr.split_at_checked(1)?;
        let (kind, width) = rest.split_at_checked(1)?;
        let (kind, width) = match (kind, width) {
            ("b", "1") => (Kind::Bool, 1),
            ("u" | "i", "1" | "2" | "4" | "8") | ("f", "2" | "4" | "8") => {
                let kind = match kind {
                    "u" => Kind::Unsigned,
                    "i" => Kind::Signed,
                    _ => Kind::Float,
                };
                (kind, width.parse().ok()?)
            }
            _ => return None,
        };
        let known = matches!(order, "<" | ">") || (order == "|" && width == 1);
        known.then_some(Dtype { kind, width, big: order == ">" && width > 1 })
    }

    /// Converts the type of a tensor in a safetensors file.
    pub fn of_tensor(dtype: safetensors::Dtype) -> Option<Dtype> {
        use safetensors::Dtype as Of;
        let (kind, width) = match dtype {
            Of::BOOL => (Kind::Bool, 1),
            Of::U8 => (Kind::Unsigned, 1),
            Of::U16 => (Kind::Unsigned, 2),
            Of::U32 => (Kind::Unsigned, 4),
            Of::U64 => (Kind::Unsigned, 8),
            Of::I8 => (Kind::Signed, 1),
            Of::I16 => (Kind::Signed, 2),
            Of::I32 => (Kind::Signed, 4),
            Of::I64 => (Kind::Signed, 8),
            Of::F16 => (Kind::Float, 2),
            Of::F32 => (Kind::Float, 4),
            Of::F64 => (Kind::Float, 8),
            Of::BF16 => (Kind::Brain, 2),
            _ => return None,
        };
        Some(Dtype { kind, width, big: false })
    }

    /// Returns the bytes per value.
    pub fn width(self) -> usize {
        self.width
    }

    /// Returns whether values are floats.
    pub fn is_float(self) -> bool {
        matches!(self.kind, Kind::Float | Kind::Brain)
    }

    /// Returns the largest relative rounding error of a value, if it exceeds that of float32.
    pub fn rounding(self) -> f64 {
        match (self.kind, self.width) {
            (Kind::Float, 2) => 2f64.powi(-11),
            (Kind::Brain, _) => 2f64.powi(-8),
            _ => 0.0,
        }
    }

    /// Maps `value` from [`low`, `high`] to [−1, 1]. `None` if it is outside by more than rounding can explain.
    ///
    /// Scaling to [0, 1] in this type or in float32 rounds a few times, each time by half a step at the size of the
    /// ends. Eight float32 steps (2⁻²³) are a millionth; for shorter types, four roundings are allowed. Values farther
    /// out were scaled in another way.
    pub fn scaled(self, value: f64, (low, high): (f64, f64)) -> Option<f32> {
        let slack = f64::max(1e-6, 4.0 * self.rounding()) * low.abs().max(high.abs());
        let inside = (low - slack..=high + slack).contains(&value);
        inside.then(|| (2.0 * (value - low) / (high - low) - 1.0).clamp(-1.0, 1.0) as f32)
    }

    /// Returns the value at the start of `bytes`. Integers beyond 2⁵³ are rounded.
    ///
    /// # Panics
    ///
    /// If there are fewer bytes than a value needs.
    pub fn value(self, bytes: &[u8]) -> f64 {
        let mut little = [0; 8];
        little[..self.width].copy_from_slice(&bytes[..self.width]);
        if self.big {
            little[..self.width].reverse();
        }
        let bits = u64::from_le_bytes(little);
        match (self.kind, self.width) {
            (Kind::Bool, _) => f64::from(u8::from(bits != 0)),
            (Kind::Unsigned, _) => bits as f64,
            (Kind::Signed, width) => {
                let empty = 64 - 8 * width;
                ((bits << empty).cast_signed() >> empty) as f64
            }
            (Kind::Float, 2) => f16::from_bits(bits as u16).to_f64(),
            (Kind::Float, 4) => f32::from_bits(bits as u32).into(),
            (Kind::Float, _) => f64::from_bits(bits),
            (Kind::Brain, _) => f32::from_bits((bits as u32) << 16).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_with_its_sign_and_in_both_byte_orders() {
        let cases: [(&str, &str, &[u8], f64); 16] = [
            ("|b1", "bool", &[1], 1.0),
            ("|u1", "uint8", &[200], 200.0),
            (">u1", "uint8", &[200], 200.0),
            ("|i1", "int8", &[200], -56.0),
            ("<u2", "uint16", &[0, 255], 65_280.0),
            ("<i2", "int16", &[0, 255], -256.0),
            (">i2", "int16", &[255, 0], -256.0),
            ("<u4", "uint32", &[0, 0, 0, 128], 2_147_483_648.0),
            (">i4", "int32", &[255, 255, 255, 254], -2.0),
            ("<u8", "uint64", &[255; 8], u64::MAX as f64),
            ("<i8", "int64", &[255; 8], -1.0),
            ("<f2", "float16", &[0, 0xc1], -2.5),
            (">f2", "float16", &[0x3c, 1], 1.000_976_562_5),
            (">f4", "float32", &[0xc0, 0x20, 0, 0], -2.5),
            ("<f4", "float32", &[0, 0, 0x20, 0xc0], -2.5),
            (">f8", "float64", &[0xc0, 4, 0, 0, 0, 0, 0, 0], -2.5),
        ];
        for (descr, name, bytes, expected) in cases {
            let dtype = Dtype::of_numpy(descr).unwrap();
            assert_eq!((dtype.to_string().as_str(), dtype.width()), (name, bytes.len()), "{descr}");
            assert_eq!(dtype.value(bytes), expected, "{descr}");
        }
        let brain = Dtype::of_tensor(safetensors::Dtype::BF16).unwrap();
        assert_eq!((brain.to_string().as_str(), brain.value(&[0x20, 0xc0])), ("bfloat16", -2.5));
    }

    #[test]
    fn rounding_errors_are_accepted_but_a_wrong_scale_is_not() {
        let of = |descr| Dtype::of_numpy(descr).unwrap();
        for (descr, value, range, expected) in [
            ("<f4", 1.000_000_1, (0.0, 1.0), Some(1.0)),
            ("<f4", -1e-7, (0.0, 1.0), Some(-1.0)),
            ("<f8", 255.000_03, (0.0, 255.0), Some(1.0)),
            ("<f4", 0.25, (0.0, 1.0), Some(-0.5)),
            // One step beyond the end, where the step is large relative to the distance between the ends.
            ("<f4", 1_001.000_06, (1_000.0, 1_001.0), Some(1.0)),
            ("<f2", 1.000_976_562_5, (0.0, 1.0), Some(1.0)),
            // One brightness level too many, and values that belong to another range.
            ("<f4", 256.0 / 255.0, (0.0, 1.0), None),
            ("<f2", 256.0 / 255.0, (0.0, 1.0), None),
            ("<f4", 1.000_01, (0.0, 1.0), None),
            ("<f4", -1.0, (0.0, 1.0), None),
            ("<f4", f64::NAN, (0.0, 1.0), None),
            ("<f4", f64::INFINITY, (0.0, 1.0), None),
        ] {
            assert_eq!(of(descr).scaled(value, range), expected, "{value} in {range:?}");
        }
    }

    #[test]
    fn types_without_real_numbers_are_unknown() {
        for other in ["", "<", "<f", "<f16", "<c8", "|V2", "<U3", "|O", "<M8[ns]", "|f4", "=f4", "é4"] {
            assert_eq!(Dtype::of_numpy(other), None, "{other}");
        }
        assert_eq!(Dtype::of_tensor(safetensors::Dtype::F8_E4M3), None);
    }
}
