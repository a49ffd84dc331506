//! Sample sheets: PNG pictures of a generator's samples. Images form a grid. Points form a scatter plot of their first
//! two coordinates over the true modes, and are also saved next to it as a NumPy array. The axes do not adapt to the
//! samples (as a PCA would), so sheets are comparable.

use std::borrow::Cow;
use std::f64::consts::TAU;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};

use sweep_data::npy;
use sweep_spec::dataset::Dataset;
use sweep_spec::own_data::{OwnData, Shape};
use sweep_system::whole::{self, Survives};
use sweep_wire::home::points_of;

/// Images in a row, and rows, at most.
const GRID: usize = 10;
/// Pixels of the sheet per pixel of an image.
const ZOOM: u32 = 2;
/// The array next to a scatter plot holds the first points of the sheet: at most this many points, and this many
/// values, so that wide points don't take megabytes per job.
const POINTS: usize = 1000;
const VALUES: usize = 1 << 16;
/// The colour between images.
const GAP: Rgb<u8> = Rgb([96, 96, 96]);
/// Pixels per side of a scatter plot.
const SIDE: u32 = 512;
const WHITE: Rgb<u8> = Rgb([255, 255, 255]);
const RING: Rgb<u8> = Rgb([150, 150, 150]);
const DOT: Rgb<u8> = Rgb([31, 85, 160]);
/// Radius of a dot, in pixels.
const DOT_RADIUS: f64 = 1.8;
/// Opacity of a dot: dense regions get darker.
const DOT_OPACITY: f64 = 0.45;
/// Radius of the rings around modes, in σ: in the plane, samples inside it count as high quality.
const RING_SIGMA: f64 = 3.0;
/// Dots that draw an ellipse.
const ELLIPSE: u32 = 1000;

/// Why there is no sheet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SheetError {
    /// The number of values is 0, or not a multiple of the sample size.
    #[error("sample sheet: expected at least one sample of {features} values, found {found} values in all")]
    Shape {
        /// Values in one sample.
        features: usize,
        /// Values in all.
        found: usize,
    },
    /// It cannot be written.
    #[error("cannot write the sample sheet {path}: {source}")]
    Write {
        /// Where to.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Draws `samples` (`[n, features]`, row-major, of `dataset`; images in [−1, 1], of which the first 100 are shown) and
/// writes a PNG to `path`, whole or not at all. Values that are not finite are black in an image and left out of a
/// scatter plot. For points, the first 1000 (fewer above 65 coordinates) are also saved next to it as float32 `[n,
/// features]`.
pub(crate) fn write(path: &Path, dataset: &Dataset, samples: &[f32]) -> Result<(), SheetError> {
    let features = dataset.features();
    let shown = if dataset.is_images() { samples.len().min(GRID * GRID * features) } else { samples.len() };
    let sheet = draw(dataset, &samples[..shown], GRID)?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SheetError::Write { path, source }
    };
    if !dataset.is_images() {
        let most = POINTS.min(VALUES / features).max(1);
        let (points, rows) = (points_of(path), most.min(samples.len() / features));
        let mut array = Vec::new();
        let written = npy::write_f32(&mut array, &samples[..rows * features], &[rows, features]);
        written.and_then(|()| whole::write(&points, &array, Survives::Kill)).map_err(failed(&points))?;
    }
    save(path, &sheet.into()).map_err(failed(path))
}

/// Returns the picture of `samples` (`[n, features]`, row-major, of `dataset`). A grid of images has at most `columns`
/// columns.
pub(super) fn draw(dataset: &Dataset, samples: &[f32], columns: usize) -> Result<RgbImage, SheetError> {
    let features = dataset.features();
    if samples.is_empty() || !samples.len().is_multiple_of(features) {
        return Err(SheetError::Shape { features, found: samples.len() });
    }
    Ok(match dataset {
        Dataset::Gaussians(mixture) => {
            let variances = mixture.variances();
            let sigmas = [0, 1].map(|axis| variances.get(axis).copied().unwrap_or(0.0).sqrt());
            scatter(&mixture.centres(), sigmas, &plane(samples, features))
        }
        Dataset::Toy(_) | Dataset::Own(OwnData { shape: Shape::Points(_), .. }) => {
            scatter(&[], [0.0; 2], &plane(samples, features))
        }
        Dataset::Mnist
        | Dataset::FashionMnist
        | Dataset::Mnist1k
        | Dataset::Cifar10
        | Dataset::Stl10
        | Dataset::Own(OwnData { shape: Shape::Image(_), .. }) => grid(dataset.shape(), samples, columns),
    })
}

/// Writes a picture to `path` as a PNG, whole or not at all.
pub(super) fn save(path: &Path, picture: &DynamicImage) -> io::Result<()> {
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).map_err(io::Error::other)?;
    // Waiting for the disk would take longer than drawing, and a power cut loses only a picture.
    whole::write(path, png.get_ref(), Survives::Kill)
}

/// The picture of one image of `shape` `[channels, height, width]`: grey, or red, green and blue.
pub(super) fn picture(shape: &[usize], image: &[f32]) -> DynamicImage {
    let (channels, height, width) = (shape[0], shape[1], shape[2]);
    let at = |x: u32, y: u32| y as usize * width + x as usize;
    let byte = |channel: usize, at: usize| byte(image[channel * height * width + at]);
    let (wide, high) = (width as u32, height as u32);
    match channels {
        3 => RgbImage::from_fn(wide, high, |x, y| Rgb([0, 1, 2].map(|channel| byte(channel, at(x, y))))).into(),
        _ => GrayImage::from_fn(wide, high, |x, y| Luma([byte(0, at(x, y))])).into(),
    }
}

/// Maps [−1, 1] to a byte. The cast maps NaN to 0 and clamps values out of range.
fn byte(value: f32) -> u8 {
    ((value + 1.0) * 127.5).round() as u8
}

/// Draws images of `shape` `[channels, height, width]`, with one channel (grey) or three (red, green, blue), row by
/// row.
fn grid(shape: &[usize], samples: &[f32], columns: usize) -> RgbImage {
    let (channels, height, width) = (shape[0], shape[1], shape[2]);
    let images: Vec<&[f32]> = samples.chunks(channels * height * width).collect();
    let rows = images.len().div_ceil(columns);
    let wide = images.len().min(columns);
    let length = |count: usize, size: usize| ZOOM * (count * (size + 1) + 1) as u32;
    RgbImage::from_fn(length(wide, width), length(rows, height), |x, y| {
        let (x, y) = ((x / ZOOM) as usize, (y / ZOOM) as usize);
        let inside = x % (width + 1) > 0 && y % (height + 1) > 0;
        let image = images.get(y / (height + 1) * columns + x / (width + 1)).filter(|_| inside);
        image.map_or(GAP, |image| {
            let at = (y % (height + 1) - 1) * width + x % (width + 1) - 1;
            let byte = |channel: usize| byte(image[channel * height * width + at]);
            if channels == 3 { Rgb([byte(0), byte(1), byte(2)]) } else { Rgb([byte(0); 3]) }
        })
    })
}

/// The first two coordinates of `points` `[n, features]`; the second is 0 for one-dimensional points.
fn plane(points: &[f32], features: usize) -> Cow<'_, [f32]> {
    if features == 2 {
        return Cow::Borrowed(points);
    }
    let first = |point: &[f32]| [point[0], point.get(1).copied().unwrap_or(0.0)];
    Cow::Owned(points.chunks_exact(features).flat_map(first).collect())
}

/// Draws points over 3σ rings (ellipses, with one of `sigmas` per axis) around the `centres` of a mixture. The range
/// depends on the mixture alone, so sheets are comparable; without a mixture it is the range of the points.
fn scatter(centres: &[[f64; 2]], sigmas: [f64; 2], points: &[f32]) -> RgbImage {
    let farthest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0f64, |most, value| most.max(value.abs()));
    let range = match centres {
        [] => 1.05 * farthest(&mut points.iter().map(|&x| x.into()).filter(|x: &f64| x.is_finite())).max(1e-6),
        _ => 1.25 * (farthest(&mut centres.iter().flatten().copied()) + RING_SIGMA * sigmas[0].max(sigmas[1])),
    };
    let scale = f64::from(SIDE) / (2.0 * range);
    let place = |x: f64, y: f64| ((x + range) * scale - 0.5, (range - y) * scale - 0.5);

    let mut sheet = RgbImage::from_pixel(SIDE, SIDE, WHITE);
    for centre in centres {
        let radius = RING_SIGMA * sigmas[0] * scale;
        if sigmas[0] == sigmas[1] {
            let ring = |distance: f64| 1.0 - (distance - radius).abs();
            stamp(&mut sheet, place(centre[0], centre[1]), radius + 1.0, RING, ring);
            continue;
        }
        for step in 0..ELLIPSE {
            let (sin, cos) = (TAU * f64::from(step) / f64::from(ELLIPSE)).sin_cos();
            let at = place(centre[0] + RING_SIGMA * sigmas[0] * cos, centre[1] + RING_SIGMA * sigmas[1] * sin);
            stamp(&mut sheet, at, 1.0, RING, |distance| 1.0 - distance);
        }
    }
    for point in points.chunks_exact(2) {
        let centre = place(point[0].into(), point[1].into());
        stamp(&mut sheet, centre, DOT_RADIUS + 0.5, DOT, |distance| {
            (DOT_RADIUS + 0.5 - distance).min(1.0) * DOT_OPACITY
        });
    }
    sheet
}

/// Blends `colour` in within `reach` pixels of `centre`. `opacity` takes the distance; nothing is drawn where it is
/// below 0.
fn stamp(sheet: &mut RgbImage, centre: (f64, f64), reach: f64, colour: Rgb<u8>, opacity: impl Fn(f64) -> f64) {
    // Casts saturate: a centre outside the picture, infinite or NaN gives an empty range, or one pixel that is too far
    // away.
    let pixels =
        |at: f64| (at - reach).ceil().max(0.0) as u32..((at + reach).floor() + 1.0).clamp(0.0, SIDE.into()) as u32;
    for y in pixels(centre.1) {
        for x in pixels(centre.0) {
            let distance = (f64::from(x) - centre.0).hypot(f64::from(y) - centre.1);
            let share = opacity(distance);
            if share > 0.0 {
                for (under, over) in sheet.get_pixel_mut(x, y).0.iter_mut().zip(colour.0) {
                    *under = (f64::from(*under) + share * (f64::from(over) - f64::from(*under))).round() as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXTURE: Dataset = Dataset::Gaussians(sweep_spec::dataset::Gaussians::RING);

    fn drawn(dataset: &Dataset, samples: &[f32]) -> RgbImage {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.png");
        write(&path, dataset, samples).unwrap();
        let files = if dataset.is_images() { 1 } else { 2 };
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), files, "no temporary file is left");
        image::load_from_memory(&std::fs::read(&path).unwrap()).unwrap().to_rgb8()
    }

    #[test]
    fn images_lie_row_by_row_between_gaps() {
        let mut samples = vec![-1.0; 12 * 784];
        samples[11 * 784..].fill(1.0);
        samples[27] = 0.0;
        samples[28] = f32::NAN;
        samples[29] = 1e9;
        let sheet = drawn(&Dataset::Mnist, &samples);
        assert_eq!(sheet.dimensions(), (2 * 291, 2 * 59));
        let at = |x: u32, y: u32| sheet.get_pixel(2 * x, 2 * y).0[0];
        assert_eq!((at(1, 1), at(28, 1), at(29, 1), at(0, 0)), (0, 128, GAP.0[0], GAP.0[0]));
        assert_eq!((at(1, 2), at(2, 2)), (0, 255), "NaN is black, too bright is white");
        assert_eq!((at(30, 30), at(57, 57), at(59, 30)), (255, 255, GAP.0[0]), "there are twelve images, not thirteen");
        assert_eq!(drawn(&Dataset::FashionMnist, &vec![0.0; 784 * 300]).dimensions(), (582, 582));
    }

    #[test]
    fn points_lie_where_they_are() {
        // The first mode is at (0, 2); the range is 1.25 (2 + 3σ).
        let sheet = drawn(&MIXTURE, &[0.0, 2.0, f32::NAN, 0.0, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30]);
        let range = 1.25 * (2.0 + 3.0 * 0.02f64.sqrt());
        let row = |y: f64| ((range - y) / (2.0 * range) * 512.0 - 0.5).round() as u32;
        let dark = |x: u32, y: u32| sheet.get_pixel(x, y).0 != WHITE.0;
        assert!(dark(256, row(2.0)) && sheet.get_pixel(256, row(2.0)).0[0] < 190);
        assert!(dark(256, row(2.0 + 3.0 * 0.02f64.sqrt())), "the ring");
        assert!(!dark(256, row(2.0 + 1.5 * 0.02f64.sqrt())), "nothing between the dot and the ring");
        assert!(!dark(256, 256));
        let blue = |p: &&Rgb<u8>| p.0[2] > p.0[0].saturating_add(20);
        assert!(sheet.pixels().filter(blue).count() < 20, "only one dot");
    }

    #[test]
    fn modes_with_a_spread_per_axis_have_ellipses() {
        use sweep_spec::dataset::{Covariance, Gaussians, Layout};
        const WIDE: &[f64] = &[1.0, 0.0625];
        let mixture =
            Gaussians { covariance: Covariance::Each(WIDE), ..Gaussians::of(Layout::Means(&[0.0, 0.0]), 1.0, 2) };
        let sheet = drawn(&Dataset::Gaussians(mixture), &[2.0, 0.0]);
        // The range is 1.25 · 3: the half axes are 3 and ¾ of that.
        let pixel = |x: f64, y: f64| {
            let place = |x: f64| ((x + 3.75) / 7.5 * 512.0 - 0.5).round() as u32;
            sheet.get_pixel(place(x), place(-y)).0
        };
        for (x, y) in [(3.0, 0.0), (-3.0, 0.0), (0.0, 0.75), (0.0, -0.75), (3.0 * 0.6, 0.75 * 0.8)] {
            assert_ne!(pixel(x, y), WHITE.0, "{x} {y}");
        }
        for (x, y) in [(0.0, 3.0), (0.75, 0.0), (2.5, 0.6), (0.0, 0.0)] {
            assert_eq!(pixel(x, y), WHITE.0, "{x} {y}");
        }
    }

    #[test]
    fn points_are_saved_next_to_their_sheet_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        for (count, kept) in [(1, 1), (1000, 1000), (2000, 1000)] {
            let samples: Vec<f32> = (0..2 * count).map(|i| (i as f32).sin()).collect();
            write(&folder.path().join("sheet.png"), &MIXTURE, &samples).unwrap();
            let bytes = std::fs::read(folder.path().join("sheet.npy")).unwrap();
            // The header that numpy.save writes.
            let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({kept}, 2), }}");
            let (start, values) = bytes.split_at(128);
            assert_eq!(&start[..10], b"\x93NUMPY\x01\x00\x76\x00");
            assert_eq!(start[10..], *format!("{header:117}\n").as_bytes());
            let expected: Vec<u8> = samples[..2 * kept].iter().flat_map(|x| x.to_le_bytes()).collect();
            assert!(values == expected, "{count}");
        }
    }

    #[test]
    fn points_of_any_width_show_their_first_two_coordinates() {
        let own = |dims| {
            Dataset::Own(OwnData { kind: sweep_spec::own_data::Kind::Npy, shape: Shape::Points([dims]), content: None })
        };
        let flat: Vec<f32> = (0..40).map(|i| (i as f32).sin()).collect();
        let wide: Vec<f32> = flat.chunks(2).flat_map(|point| [point[0], point[1], 1e9, -7.0, f32::NAN]).collect();
        assert!(drawn(&own(5), &wide) == drawn(&own(2), &flat));
        let line: Vec<f32> = flat.chunks(2).map(|point| point[0]).collect();
        let level: Vec<f32> = line.iter().flat_map(|&x| [x, 0.0]).collect();
        assert!(drawn(&own(1), &line) == drawn(&own(2), &level));

        let folder = tempfile::tempdir().unwrap();
        for (dims, kept) in [(1, 1000), (5, 1000), (65, 1000), (1200, 54), (4096, 16)] {
            write(&folder.path().join("sheet.png"), &own(dims), &vec![0.5; dims * 1001]).unwrap();
            let length = std::fs::metadata(folder.path().join("sheet.npy")).unwrap().len();
            assert_eq!(length, 128 + 4 * dims as u64 * kept, "{dims}");
        }
    }

    #[test]
    fn errors_of_drawing_and_writing_are_reported() {
        let path = Path::new("/nonexistent/sheet.png");
        assert!(matches!(write(path, &MIXTURE, &[]), Err(SheetError::Shape { features: 2, found: 0 })));
        assert!(matches!(write(path, &MIXTURE, &[0.0]), Err(SheetError::Shape { .. })));
        assert!(matches!(write(path, &MIXTURE, &[0.0, 0.0]), Err(SheetError::Write { .. })));
    }
}
