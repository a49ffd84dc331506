//! Light augmentation of images, driven by counter-based streams. Drawings are rotated, scaled, sheared and shifted a
//! little; photographs are shifted and mirrored.

use sweep_numerics::random::{Purpose, Stream};

/// Pixels per side.
pub(super) const SIDE: usize = 28;
/// Pixels per image.
pub(super) const PIXELS: usize = SIDE * SIDE;

/// How strong the augmentation is. Each quantity is uniform within ± its limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rotation, in radians.
    pub turn: f32,
    /// Scaling of each axis, relative to 1.
    pub scale: f32,
    /// Shear, as x per y.
    pub shear: f32,
    /// Shift along each axis, in pixels.
    pub shift: f32,
}

/// The kind of augmentation.
#[derive(Clone, Copy, Debug)]
pub enum Augment {
    /// Distorts grey drawings on black, up to these limits.
    Bend(Limits),
    /// Shifts photographs by up to this many pixels along each axis, and mirrors half of them.
    Move(usize),
}

impl Augment {
    /// For images like those of MNIST, in size and kind.
    pub const DRAWINGS: Augment = Augment::Bend(Limits { turn: 0.2, scale: 0.12, shear: 0.15, shift: 1.5 });
    /// For photographs of a few dozen pixels per side.
    pub const PHOTOGRAPHS: Augment = Augment::Move(3);
}

/// Augments `images` (`[n, channels, height, width]`, u8), each differently, and writes them to `out` (same size,
/// scaled to [−1, 1]). A function of `(seed, step)` alone.
pub fn batch(images: &[u8], shape: &[usize; 3], augment: Augment, seed: u64, step: u64, out: &mut [f32]) {
    let size = shape.iter().product();
    match augment {
        Augment::Bend(limits) => {
            assert_eq!(*shape, [1, SIDE, SIDE], "drawings must be grey and 28×28");
            bend(images, &limits, seed, step, out);
        }
        Augment::Move(by) => {
            // Three, and one unused.
            const DRAWS: usize = 4;
            let mut draws = vec![0.0; images.len() / size * DRAWS];
            Stream::lane(seed, Purpose::Classifier, 1, step).fill_uniform(&mut draws);
            for ((image, draws), out) in
                images.chunks_exact(size).zip(draws.chunks(DRAWS)).zip(out.chunks_exact_mut(size))
            {
                let places = (2 * by + 1) as f32;
                let shift = [draws[0], draws[1]].map(|draw| (draw * places) as isize - by as isize);
                moved(image, shape, shift, draws[2] < 0.5, out);
            }
        }
    }
}

/// Distorts drawings on black `[n, 28, 28]`. Outside the image, pixels are −1.
fn bend(images: &[u8], limits: &Limits, seed: u64, step: u64, out: &mut [f32]) {
    // Six, and one unused: the shipped weights were trained with this spacing.
    const DRAWS: usize = 7;
    let mut draws = vec![0.0; images.len() / PIXELS * DRAWS];
    Stream::lane(seed, Purpose::Classifier, 1, step).fill_uniform(&mut draws);
    for ((image, draws), out) in images.chunks_exact(PIXELS).zip(draws.chunks(DRAWS)).zip(out.chunks_mut(PIXELS)) {
        let within = |k: usize, limit: f32| (2.0 * draws[k] - 1.0) * limit;
        let (sin, cos) = within(0, limits.turn).sin_cos();
        let (sx, sy) = (1.0 + within(1, limits.scale), 1.0 + within(2, limits.scale));
        let (shear, dx, dy) = (within(3, limits.shear), within(4, limits.shift), within(5, limits.shift));
        let map = [[cos * sx, (shear * cos - sin) * sy], [sin * sx, (shear * sin + cos) * sy]];
        transform(image, map, [dx, dy], out);
    }
}

/// Shifts `image` by this many rows and columns, reflected at the borders, optionally after mirroring it.
fn moved(image: &[u8], shape: &[usize; 3], shift: [isize; 2], mirrored: bool, out: &mut [f32]) {
    let [_, height, width] = *shape;
    let within = |place: usize, shift: isize, size: usize| {
        let at = (place as isize + shift).unsigned_abs();
        if at < size { at } else { (2 * size).saturating_sub(at + 2).min(size - 1) }
    };
    for (map, out) in image.chunks_exact(height * width).zip(out.chunks_exact_mut(height * width)) {
        for (row, line) in out.chunks_exact_mut(width).enumerate() {
            let from = &map[within(row, shift[0], height) * width..][..width];
            for (column, value) in line.iter_mut().enumerate() {
                let column = if mirrored { width - 1 - column } else { column };
                *value = f32::from(from[within(column, shift[1], width)]) * (1.0 / 127.5) - 1.0;
            }
        }
    }
}

/// Fills each pixel of `out` by bilinear interpolation of `image`, at the place where `map` about the centre and
/// `shift` send it.
fn transform(image: &[u8], map: [[f32; 2]; 2], shift: [f32; 2], out: &mut [f32]) {
    const CENTRE: f32 = (SIDE as f32 - 1.0) / 2.0;
    // A frame of two black pixels, so interpolation needs no bounds checks.
    const WIDE: usize = SIDE + 4;
    let mut framed = [0.0f32; WIDE * WIDE];
    for (row, line) in image.chunks(SIDE).enumerate() {
        for (to, &from) in framed[(row + 2) * WIDE + 2..].iter_mut().zip(line) {
            *to = f32::from(from);
        }
    }
    for (row, line) in out.chunks_mut(SIDE).enumerate() {
        let v = row as f32 - CENTRE;
        for (column, value) in line.iter_mut().enumerate() {
            let u = column as f32 - CENTRE;
            let at = |axis: usize| {
                let x = map[axis][0] * u + map[axis][1] * v + shift[axis] + CENTRE + 2.0;
                x.clamp(0.0, (WIDE - 2) as f32)
            };
            let (x, y) = (at(0), at(1));
            let (i, j) = (x as usize, y as usize);
            let (fx, fy) = (x - i as f32, y - j as f32);
            let corner = &framed[j * WIDE + i..];
            let top = corner[0] + fx * (corner[1] - corner[0]);
            let bottom = corner[WIDE] + fx * (corner[WIDE + 1] - corner[WIDE]);
            *value = (top + fy * (bottom - top)) * (1.0 / 127.5) - 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STILL: [[f32; 2]; 2] = [[1.0, 0.0], [0.0, 1.0]];

    fn gradient() -> Vec<u8> {
        (0..PIXELS).map(|p| (p % SIDE * 9) as u8).collect()
    }

    #[test]
    fn the_identity_scales_and_a_shift_shifts() {
        let image = gradient();
        let mut out = vec![0.0; PIXELS];
        transform(&image, STILL, [0.0, 0.0], &mut out);
        for (&o, &i) in out.iter().zip(&image) {
            assert!((o - (f32::from(i) / 127.5 - 1.0)).abs() < 1e-6);
        }
        transform(&image, STILL, [2.0, 0.0], &mut out);
        assert!((out[0] - (18.0 / 127.5 - 1.0)).abs() < 1e-6, "column 0 shows column 2");
        assert!((out[SIDE - 1] + 1.0).abs() < 1e-6, "what comes from outside is black");
        // However far away, it is black, and no index is out of range.
        transform(&image, [[50.0, 0.0], [0.0, 50.0]], [1e6, -1e6], &mut out);
        assert!(out.iter().all(|&v| (v + 1.0).abs() < 1e-6));
    }

    #[test]
    fn batches_depend_on_seed_and_step_alone() {
        let image = gradient();
        let limits = Limits { turn: 0.2, scale: 0.1, shear: 0.1, shift: 2.0 };
        let draw = |seed, step, picks: &[u32]| {
            let mut out = vec![0.0; picks.len() * PIXELS];
            let images = image.repeat(picks.len());
            batch(&images, &[1, SIDE, SIDE], Augment::Bend(limits), seed, step, &mut out);
            out
        };
        assert_eq!(draw(1, 2, &[0, 0])[..PIXELS], draw(1, 2, &[0])[..]);
        assert_ne!(draw(1, 2, &[0]), draw(1, 3, &[0]));
        assert_ne!(draw(1, 2, &[0]), draw(2, 2, &[0]));
        assert!(draw(1, 2, &[0]).iter().all(|v| (-1.0..=1.0).contains(v)));
    }

    #[test]
    fn photographs_are_moved_mirrored_and_never_leave_their_frame() {
        // Two channels of three by four pixels.
        let image: Vec<u8> = (0..24).collect();
        let shape = [2, 3, 4];
        let draw = |shift, mirrored| {
            let mut out = vec![0.0; 24];
            moved(&image, &shape, shift, mirrored, &mut out);
            out.into_iter().map(|value| ((value + 1.0) * 127.5).round() as u8).collect::<Vec<_>>()
        };
        assert_eq!(draw([0, 0], false), image);
        assert_eq!(draw([0, 0], true)[..4], [3, 2, 1, 0]);
        assert_eq!(draw([1, 0], false)[..12], [4, 5, 6, 7, 8, 9, 10, 11, 4, 5, 6, 7]);
        assert_eq!(draw([0, -1], false)[12..16], [13, 12, 13, 14]);
        for shift in [[-30, 5], [40, -40]] {
            assert!(draw(shift, false).iter().all(|pixel| image.contains(pixel)));
        }
    }
}
