//! The user's own data sets: what a sweep file says about one, and what a blueprint stores of it.
//!
//! A sweep file names a path; a blueprint stores the checksum of the data there. So the same data give the same jobs
//! wherever they are, and changed data at the same path give other jobs.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::id::DataId;

/// The format of the samples on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// ImageNet: a folder with one folder of JPEGs per class, converted to 3×32×32.
    Imagenet32,
    /// A folder of PNGs and JPEGs, with or without one folder per class, made square.
    Images,
    /// A NumPy array of points or images.
    Npy,
}

impl Kind {
    /// All formats.
    pub const ALL: [Kind; 3] = [Kind::Imagenet32, Kind::Images, Kind::Npy];

    /// Returns the name in YAML, in the database and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Imagenet32 => "imagenet32",
            Kind::Images => "images",
            Kind::Npy => "npy",
        }
    }
}

/// What a sweep file says about a data set with a path.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The format of the samples on disk.
    pub kind: Kind,
    /// The path as written in the file: relative to the file's folder, unless it is absolute or begins with `~/`.
    pub path: String,
    /// Height and width that images are scaled to; `None` for arrays, which have their own.
    pub size: Option<u32>,
    /// The values of a float image array that −1 and 1 stand for.
    pub range: Option<(f64, f64)>,
}

impl Source {
    /// Returns an example of each kind, to show the syntax.
    pub(super) fn example(kind: Kind) -> Source {
        let (path, size) = match kind {
            Kind::Imagenet32 => ("FOLDER", None),
            Kind::Images => ("FOLDER", Some(32)),
            Kind::Npy => ("FILE", None),
        };
        Source { kind, path: path.to_owned(), size, range: None }
    }
}

/// As written in a sweep file, on one line.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A string quoted for JSON is valid YAML too.
        let path = serde_json::Value::from(self.path.as_str());
        write!(f, "{{name: {}, path: {path}", self.kind.name())?;
        if let (Kind::Images, Some(size)) = (self.kind, self.size) {
            write!(f, ", size: {size}")?;
        }
        if let Some((low, high)) = self.range {
            write!(f, ", range: [{low}, {high}]")?;
        }
        f.write_str("}")
    }
}

/// What a blueprint stores about one of the user's own data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnData {
    /// The format that the samples were read from.
    pub kind: Kind,
    /// The shape of one sample.
    pub shape: Shape,
    /// The checksum of all samples; `None` until the data have been read. Until then, job ids are not final.
    pub content: Option<DataId>,
}

/// The shape of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<usize>", into = "Vec<usize>")]
pub enum Shape {
    /// The number of coordinates.
    Points([usize; 1]),
    /// `[channels, height, width]`: 1 channel (grey) or 3 (red, green, blue).
    Image([usize; 3]),
}

/// Maximum height and width of an image.
pub const MAX_SIDE: usize = 1024;
/// Maximum number of coordinates of a point.
pub const MAX_DIMS: usize = 4096;

impl Shape {
    /// Returns the shape as a list.
    pub fn dims(&self) -> &[usize] {
        match self {
            Shape::Points(dims) => dims,
            Shape::Image(dims) => dims,
        }
    }
}

impl From<Shape> for Vec<usize> {
    fn from(shape: Shape) -> Self {
        shape.dims().to_vec()
    }
}

impl TryFrom<Vec<usize>> for Shape {
    type Error = String;

    fn try_from(dims: Vec<usize>) -> Result<Self, String> {
        match *dims {
            [dims] if (1..=MAX_DIMS).contains(&dims) => Ok(Shape::Points([dims])),
            [channels @ (1 | 3), height, width]
                if (1..=MAX_SIDE).contains(&height) && (1..=MAX_SIDE).contains(&width) =>
            {
                Ok(Shape::Image([channels, height, width]))
            }
            _ => Err(format!(
                "the shape of a sample is [coordinates] with 1 to {MAX_DIMS} coordinates, or [1 or 3, height, width] \
                with sides of 1 to {MAX_SIDE}, not {dims:?}"
            )),
        }
    }
}

/// What is wrong with the data at a path of a sweep file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What was expected and what was found.
    pub message: String,
    /// What to do, if the message does not say so.
    pub help: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_blueprint_keeps_reads_as_the_same_and_nothing_else_reads() {
        let own = OwnData {
            kind: Kind::Images,
            shape: Shape::Image([3, 32, 48]),
            content: Some(DataId::of(b"these samples")),
        };
        let json = serde_json::to_string(&own).unwrap();
        assert!(json.starts_with(r#"{"kind":"images","shape":[3,32,48],"content":""#), "{json}");
        assert_eq!(serde_json::from_str::<OwnData>(&json).unwrap(), own);
        for shape in ["[1]", "[2]", "[3]", "[4096]"] {
            let points = json.replace("[3,32,48]", shape);
            assert_eq!(serde_json::to_string(&serde_json::from_str::<OwnData>(&points).unwrap()).unwrap(), points);
        }
        for shape in ["[]", "[0]", "[4097]", "[2,32,32]", "[3,0,32]", "[3,32,1025]", "[1,3,32,32]"] {
            let wrong = json.replace("[3,32,48]", shape);
            assert!(serde_json::from_str::<OwnData>(&wrong).is_err(), "{shape}");
        }
    }

    #[test]
    fn paths_are_shown_so_that_they_can_be_read_again() {
        let mut source = Source { kind: Kind::Images, path: "my \"own\" pictures".into(), size: Some(64), range: None };
        assert_eq!(source.to_string(), r#"{name: images, path: "my \"own\" pictures", size: 64}"#);
        source = Source { kind: Kind::Npy, path: "x.npy".into(), size: None, range: Some((0.0, 1.0)) };
        assert_eq!(source.to_string(), r#"{name: npy, path: "x.npy", range: [0, 1]}"#);
    }
}
