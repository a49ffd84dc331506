//! Light augmentation of grey images: a small rotation, scaling, shear and shift each, from counter-based streams.

use crate::tensor::random::{Purpose, Stream};

/// Pixels along a side.
pub(super) const SIDE: usize = 28;
/// Pixels of an image.
pub(super) const PIXELS: usize = SIDE * SIDE;

/// How far augmentation goes. Each quantity is uniform in ± its limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rotation, in radians.
    pub turn: f32,
    /// Scaling of each axis, as a share of 1.
    pub scale: f32,
    /// Shear, as x per y.
    pub shear: f32,
    /// Shift along each axis, in pixels.
    pub shift: f32,
}

/// Writes the images `picks` of `images` (`[n, 28, 28]`, u8), each transformed in its own way, to `out` (`[picks, 28, 28]`, scaled to
/// [−1, 1], −1 outside the image). A function of `(seed, step)` alone.
pub fn batch(images: &[u8], picks: &[u32], limits: &Limits, seed: u64, step: u64, out: &mut [f32]) {
    // Six and one to spare: the shipped weights were trained with this spacing.
    const DRAWS: usize = 7;
    let mut draws = vec![0.0; picks.len() * DRAWS];
    Stream::lane(seed, Purpose::Classifier, 1, step).fill_uniform(&mut draws);
    for ((&pick, draws), out) in picks.iter().zip(draws.chunks(DRAWS)).zip(out.chunks_mut(PIXELS)) {
        let within = |k: usize, limit: f32| (2.0 * draws[k] - 1.0) * limit;
        let (sin, cos) = within(0, limits.turn).sin_cos();
        let (sx, sy) = (1.0 + within(1, limits.scale), 1.0 + within(2, limits.scale));
        let (shear, dx, dy) = (within(3, limits.shear), within(4, limits.shift), within(5, limits.shift));
        let map = [[cos * sx, (shear * cos - sin) * sy], [sin * sx, (shear * sin + cos) * sy]];
        let image = &images[pick as usize * PIXELS..][..PIXELS];
        transform(image, map, [dx, dy], out);
    }
}

/// Each pixel of `out` looks up, by bilinear interpolation, where `map` about the centre and `shift` send it.
fn transform(image: &[u8], map: [[f32; 2]; 2], shift: [f32; 2], out: &mut [f32]) {
    const CENTRE: f32 = (SIDE as f32 - 1.0) / 2.0;
    // A frame of two black pixels, so that interpolation needs no tests.
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
        // However far away, it is black and no index out of range.
        transform(&image, [[50.0, 0.0], [0.0, 50.0]], [1e6, -1e6], &mut out);
        assert!(out.iter().all(|&v| (v + 1.0).abs() < 1e-6));
    }

    #[test]
    fn batches_depend_on_seed_and_step_alone() {
        let image = gradient();
        let limits = Limits { turn: 0.2, scale: 0.1, shear: 0.1, shift: 2.0 };
        let draw = |seed, step, picks: &[u32]| {
            let mut out = vec![0.0; picks.len() * PIXELS];
            batch(&image, picks, &limits, seed, step, &mut out);
            out
        };
        assert_eq!(draw(1, 2, &[0, 0])[..PIXELS], draw(1, 2, &[0])[..]);
        assert_ne!(draw(1, 2, &[0]), draw(1, 3, &[0]));
        assert_ne!(draw(1, 2, &[0]), draw(2, 2, &[0]));
        assert!(draw(1, 2, &[0]).iter().all(|v| (-1.0..=1.0).contains(v)));
    }
}
