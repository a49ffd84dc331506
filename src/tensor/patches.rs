//! Convolutions as matrix products on the CPU: each row of the matrix holds the pixels under one position of the
//! kernel.
//!
//! Images have their channels last, `[n, side, side, channels]`, and so do rows and kernels, `[kernel, kernel,
//! channels]`: a row is a few contiguous runs of memory. The matrix is made in blocks that stay in the cache.

use std::cell::RefCell;

use multiversion::multiversion;
use tch::{Device, Kind, Tensor};

use super::host::{Number, values, values_mut};

/// Bytes of a block of the matrix, unless the kernels are larger: they are read again for each block.
const PIECE: usize = 4 << 20;

thread_local! {
    /// Memory for a block, which is reused: allocating memory costs as much as filling it.
    static SCRATCH: RefCell<Option<Tensor>> = const { RefCell::new(None) };
}

/// The positions of a kernel on a square image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patches {
    /// Pixels per side of the image.
    pub side: usize,
    /// Channels of the image.
    pub channels: usize,
    /// Pixels per side of the kernel.
    pub kernel: usize,
    /// Pixels from one position to the next.
    pub stride: usize,
    /// Zeros before the image; behind it, as many as needed.
    pub padding: usize,
    /// Positions per side.
    pub places: usize,
}

/// A contiguous run of memory in an image and in a row.
struct Run {
    image: usize,
    row: usize,
    length: usize,
}

impl Patches {
    /// Values in a row.
    fn width(&self) -> usize {
        self.kernel * self.kernel * self.channels
    }

    /// Rows per image.
    fn rows(&self) -> usize {
        self.places * self.places
    }

    /// The runs inside the image, for each line of the kernel at each position of one image.
    fn runs(self) -> impl Iterator<Item = Run> {
        let Patches { side, channels, kernel, stride, padding, places } = self;
        let lines = (0..places * places).flat_map(move |place| (0..kernel).map(move |line| (place, line)));
        lines.filter_map(move |(place, line)| {
            let y = (place / places * stride + line).checked_sub(padding).filter(|&y| y < side)?;
            // Columns of the padded image, and the part of them inside the image.
            let first = place % places * stride;
            let (from, to) = (first.max(padding), (first + kernel).min(side + padding));
            (from < to).then(|| Run {
                image: (y * side + from - padding) * channels,
                row: ((place * kernel + line) * kernel + from - first) * channels,
                length: (to - from) * channels,
            })
        })
    }

    /// Ranges of images whose rows make a block, for kernels of `kernels` values with `size` bytes each.
    fn pieces(&self, images: usize, kernels: usize, size: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let each = self.rows() * self.width() * size;
        let step = (PIECE.max(2 * kernels) / each).clamp(1, images.max(1));
        (0..images).step_by(step).map(move |start| (start, step.min(images - start)))
    }

    /// Iterates over `images` `[n, side, side, channels]` block by block: `each` gets the number of the first row and
    /// the rows, `[rows, width]`. `kernels` is the other matrix of the products.
    pub fn gather(&self, images: &Tensor, kernels: &Tensor, mut each: impl FnMut(i64, &Tensor)) {
        let size = images.kind().elt_size_in_bytes();
        for (start, count) in self.pieces(images.size()[0] as usize, kernels.numel() * size, size) {
            let mut rows = self.scratch(count, images.kind());
            match images.kind() {
                Kind::Double => self.copy(start, values::<f64>(images), values_mut(&mut rows)),
                _ => self.copy(start, values::<f32>(images), values_mut(&mut rows)),
            }
            each((start * self.rows()) as i64, &rows);
        }
    }

    /// Adds rows to the pixels of `images` that they hold: the transpose of [`Patches::gather`]. `each` fills the rows
    /// of a block.
    pub fn scatter(&self, images: &mut Tensor, kernels: &Tensor, mut each: impl FnMut(i64, &Tensor)) {
        let size = images.kind().elt_size_in_bytes();
        for (start, count) in self.pieces(images.size()[0] as usize, kernels.numel() * size, size) {
            let rows = self.scratch(count, images.kind());
            each((start * self.rows()) as i64, &rows);
            match images.kind() {
                Kind::Double => self.add(start, values_mut::<f64>(images), values(&rows), add_f64),
                _ => self.add(start, values_mut::<f32>(images), values(&rows), add_f32),
            }
        }
    }

    /// Memory for the rows of `images` images.
    fn scratch(&self, images: usize, kind: Kind) -> Tensor {
        let length = (images * self.rows() * self.width()) as i64;
        SCRATCH.with_borrow_mut(|scratch| {
            let fits = |kept: &&mut Tensor| kept.kind() == kind && kept.numel() as i64 >= length;
            let memory = match scratch.as_mut().filter(fits) {
                Some(kept) => kept.shallow_clone(),
                None => scratch.insert(Tensor::zeros([length], (kind, Device::Cpu))).shallow_clone(),
            };
            memory.narrow(0, 0, length).view([-1, self.width() as i64])
        })
    }

    fn copy<T: Number + Default>(&self, start: usize, images: &[T], rows: &mut [T]) {
        let pixels = self.side * self.side * self.channels;
        for (image, rows) in
            images[start * pixels..].chunks_exact(pixels).zip(rows.chunks_mut(self.rows() * self.width()))
        {
            let mut done = 0;
            for Run { image: at, row, length } in self.runs() {
                rows[done..row].fill(T::default());
                rows[row..row + length].copy_from_slice(&image[at..at + length]);
                done = row + length;
            }
            rows[done..].fill(T::default());
        }
    }

    fn add<T>(&self, start: usize, images: &mut [T], rows: &[T], add: impl Fn(&mut [T], &[T])) {
        let pixels = self.side * self.side * self.channels;
        let images = images[start * pixels..].chunks_exact_mut(pixels);
        for (image, rows) in images.zip(rows.chunks(self.rows() * self.width())) {
            for Run { image: at, row, length } in self.runs() {
                add(&mut image[at..at + length], &rows[row..row + length]);
            }
        }
    }
}

macro_rules! kernel {
    ($float:ident, $add:ident) => {
        #[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
        fn $add(to: &mut [$float], from: &[$float]) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += *from);
        }
    };
}

kernel!(f32, add_f32);
kernel!(f64, add_f64);

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 channels, 5×5 pixels, a kernel of 3, stride 2, one zero before the image.
    const PATCHES: Patches = Patches { side: 5, channels: 2, kernel: 3, stride: 2, padding: 1, places: 3 };

    fn images(n: i64) -> Tensor {
        (Tensor::arange(n * 50, (Kind::Double, Device::Cpu)) + 1.0).view([n, 5, 5, 2])
    }

    #[test]
    fn a_row_has_the_pixels_under_the_kernel_and_zeros_outside() {
        let mut rows = Vec::new();
        PATCHES.gather(&images(3), &Tensor::zeros([1], (Kind::Double, Device::Cpu)), |first, piece| {
            assert_eq!(first as usize * 18, rows.len());
            rows.extend_from_slice(values::<f64>(piece));
        });
        assert_eq!(rows.len(), 3 * 9 * 18);
        for (at, &found) in rows.iter().enumerate() {
            let (row, cell) = (at / 18, at % 18);
            let (image, place, line, column, channel) = (row / 9, row % 9, cell / 6, cell % 6 / 2, cell % 2);
            let (y, x) = (place / 3 * 2 + line, place % 3 * 2 + column);
            let inside = (1..6).contains(&y) && (1..6).contains(&x);
            let pixel = |y: usize, x: usize| (image * 50 + (y * 5 + x) * 2 + channel + 1) as f64;
            assert_eq!(found, if inside { pixel(y - 1, x - 1) } else { 0.0 }, "row {row}, cell {cell}");
        }
    }

    /// ⟨gather(x), r⟩ = ⟨x, scatter(r)⟩, also over several blocks.
    #[test]
    fn scattering_is_the_transpose_of_gathering() {
        let n = 40_000;
        let (x, kernels) = (images(n), Tensor::zeros([1], (Kind::Double, Device::Cpu)));
        let r = Tensor::rand([n * 9, 18], (Kind::Double, Device::Cpu));
        let mut y = x.zeros_like();
        let (mut pieces, mut one) = (0, 0.0);
        PATCHES.gather(&x, &kernels, |first, rows| {
            pieces += 1;
            one += (rows * r.narrow(0, first, rows.size()[0])).sum(Kind::Double).double_value(&[]);
        });
        PATCHES.scatter(&mut y, &kernels, |first, rows| {
            rows.shallow_clone().copy_(&r.narrow(0, first, rows.size()[0]));
        });
        let other = (x * y).sum(Kind::Double).double_value(&[]);
        assert!(pieces > 1 && (one / other - 1.0).abs() < 1e-12, "{pieces} pieces: {one} {other}");
    }
}
