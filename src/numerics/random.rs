//! Counter-based randomness: every number is a function of (seed, purpose, lane, index), no matter what was drawn
//! before.
//!
//! Uses Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). The key is the seed; the
//! counter holds the block, the index (such as a step), the purpose and the lane. So resuming needs no state, scoring
//! never disturbs training, and a member draws the same numbers in any cohort. The kernels use no fused multiply-add
//! and no library functions, so they give the same bits on every processor.

use multiversion::multiversion;

use crate::math::{Float, sin_cos_turn};

/// What the numbers are for. Streams with different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Purpose {
    /// Initial weights; the lane is the network.
    Init = 1,
    /// The generator's noise in training.
    Noise = 2,
    /// Which real samples are in a batch, or the real samples themselves.
    Data = 3,
    /// Dropout masks; the lane is the layer.
    Dropout = 4,
    /// The generator's noise in scoring.
    Score = 5,
    /// The noise of sample sheets, the same for all jobs.
    Sheet = 6,
    /// Real samples that scores are compared with, the same for all jobs.
    Reference = 7,
    /// Training of scoring networks.
    Classifier = 8,
    /// Where gradient penalties are evaluated.
    Penalty = 9,
    /// Noise added to codes or features in training; the lane says which ones.
    Inner = 10,
    /// The noise of samples that users request, the same for all jobs.
    Drawn = 11,
}

/// An endless sequence of random numbers.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: [u32; 2],
    index: [u32; 2],
    purpose: u32,
}

/// Blocks computed side by side, so the compiler can vectorise over them.
const LANES: usize = 64;
/// Numbers from one call of [`rounds`].
const ROUND: usize = 4 * LANES;

impl Stream {
    /// Returns the numbers of `seed` for `purpose` at `index` (a step, an epoch …).
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        Self::lane(seed, purpose, 0, index)
    }

    /// Like [`Stream::new`]; `lane` distinguishes streams with the same purpose and index.
    pub fn lane(seed: u64, purpose: Purpose, lane: u16, index: u64) -> Self {
        let halves = |value: u64| [value as u32, (value >> 32) as u32];
        Stream { key: halves(seed), index: halves(index), purpose: u32::from(purpose as u16) << 16 | u32::from(lane) }
    }

    /// Fills `out` with N(0, 1).
    pub fn fill_normal(&self, out: &mut [f32]) {
        for (block, chunk) in out.chunks_mut(ROUND).enumerate() {
            let mut values = [0.0; ROUND];
            normals(self, (block * LANES) as u32, &mut values);
            chunk.copy_from_slice(&values[..chunk.len()]);
        }
    }

    /// Fills `out` with U[0, 1), 24 bits each.
    pub fn fill_uniform(&self, out: &mut [f32]) {
        for (block, chunk) in out.chunks_mut(ROUND).enumerate() {
            let mut words = [0; ROUND];
            philox(self, (block * LANES) as u32, &mut words);
            for (value, word) in chunk.iter_mut().zip(words) {
                *value = (word >> 8) as f32 * (1.0 / 16_777_216.0);
            }
        }
    }

    /// Fills `out` with U[−1, 1), 24 bits each.
    pub fn fill_symmetric(&self, out: &mut [f32]) {
        self.fill_uniform(out);
        out.iter_mut().for_each(|value| *value = 2.0 * *value - 1.0);
    }

    /// Fills `out` with numbers below `bound`. The bias is negligible (at most bound / 2³²).
    pub fn fill_below(&self, bound: u32, out: &mut [u32]) {
        for (block, chunk) in out.chunks_mut(ROUND).enumerate() {
            let mut words = [0; ROUND];
            philox(self, (block * LANES) as u32, &mut words);
            for (value, word) in chunk.iter_mut().zip(words) {
                *value = ((u64::from(word) * u64::from(bound)) >> 32) as u32;
            }
        }
    }
}

/// A permutation of 0..n, computed as a function. It needs no table, so entering a shuffled epoch in the middle costs
/// nothing.
///
/// A four-round Feistel network on the smallest even number of bits that holds n; it follows its cycle until it lands
/// below n (Black & Rogaway, "Ciphers with arbitrary finite domains", 2002).
#[derive(Clone, Copy, Debug)]
pub struct Permutation {
    n: u32,
    half: u32,
    keys: [u32; 4],
}

impl Permutation {
    /// Returns the permutation of `0..n` that `stream` picks. `n` is above 0.
    pub fn new(n: u32, stream: &Stream) -> Self {
        assert!(n > 0, "a permutation needs n > 0");
        let bits = (32 - (n - 1).leading_zeros()).max(2);
        let mut keys = [0; 4];
        stream.fill_below(u32::MAX, &mut keys);
        Permutation { n, half: bits.div_ceil(2), keys }
    }

    /// Returns where `i`, below n, is mapped to.
    pub fn at(&self, i: u32) -> u32 {
        debug_assert!(i < self.n);
        let mask = (1u32 << self.half) - 1;
        let mut x = u64::from(i);
        loop {
            let (mut left, mut right) = ((x >> self.half) as u32 & mask, x as u32 & mask);
            for key in self.keys {
                (left, right) = (right, left ^ (mix(right ^ key) & mask));
            }
            x = u64::from(left) << self.half | u64::from(right);
            if x < u64::from(self.n) {
                return x as u32;
            }
        }
    }
}

/// The finaliser of MurmurHash3.
fn mix(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

/// Computes Philox4x32-10 for blocks `first..first + LANES`; word w of block b is stored at `w * LANES + b`.
#[inline(always)]
fn rounds(stream: &Stream, first: u32, out: &mut [u32; ROUND]) {
    let mut c0: [u32; LANES] = std::array::from_fn(|lane| first.wrapping_add(lane as u32));
    let (mut c1, mut c2, mut c3) = ([stream.index[0]; LANES], [stream.index[1]; LANES], [stream.purpose; LANES]);
    let [mut k0, mut k1] = stream.key;
    for _ in 0..10 {
        for i in 0..LANES {
            let (a, b) = (c0[i], c2[i]);
            c0[i] = high(b, 0xCD9E_8D57) ^ c1[i] ^ k0;
            c2[i] = high(a, 0xD251_1F53) ^ c3[i] ^ k1;
            c1[i] = b.wrapping_mul(0xCD9E_8D57);
            c3[i] = a.wrapping_mul(0xD251_1F53);
        }
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    for (row, words) in [c0, c1, c2, c3].iter().enumerate() {
        out[row * LANES..][..LANES].copy_from_slice(words);
    }
}

/// Returns the upper half of a product.
#[inline(always)]
fn high(a: u32, b: u32) -> u32 {
    ((u64::from(a) * u64::from(b)) >> 32) as u32
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn philox(stream: &Stream, first: u32, out: &mut [u32; ROUND]) {
    rounds(stream, first, out);
}

/// Applies Box–Muller to the words of [`rounds`].
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn normals(stream: &Stream, first: u32, out: &mut [f32; ROUND]) {
    let mut words = [0; ROUND];
    rounds(stream, first, &mut words);
    let (a, b) = words.split_at(ROUND / 2);
    let (cos, sin) = out.split_at_mut(ROUND / 2);
    for i in 0..ROUND / 2 {
        // 31 bits rather than 24, so the tails reach beyond 6σ.
        let u = ((a[i] >> 1) as i32 as f32 + 0.5) * (1.0 / 2_147_483_648.0);
        let radius = (-2.0 * Float::ln(u)).max(0.0).sqrt();
        let (s, c) = sin_cos_turn(b[i]);
        cos[i] = radius * c;
        sin[i] = radius * s;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_published_numbers() {
        // Known answers from the Random123 distribution (kat_vectors, philox4x32 10).
        let mut out = [0; ROUND];
        rounds(&Stream { key: [0; 2], index: [0; 2], purpose: 0 }, 0, &mut out);
        let block = |out: &[u32; ROUND]| [out[0], out[LANES], out[2 * LANES], out[3 * LANES]];
        assert_eq!(block(&out), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        rounds(&Stream { key: [u32::MAX; 2], index: [u32::MAX; 2], purpose: u32::MAX }, u32::MAX, &mut out);
        assert_eq!(block(&out), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = Stream { key: [0xa409_3822, 0x299f_31d0], index: [0x85a3_08d3, 0x1319_8a2e], purpose: 0x0370_7344 };
        rounds(&pi, 0x243f_6a88, &mut out);
        assert_eq!(block(&out), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn normals_have_the_right_moments_and_tails() {
        let n = 4_000_000;
        let mut x = vec![0.0; n];
        Stream::new(7, Purpose::Noise, 3).fill_normal(&mut x);
        let moment = |p: i32| x.iter().map(|&v| f64::from(v).powi(p)).sum::<f64>() / n as f64;
        // Five standard errors each.
        for (p, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            assert!((moment(p) - expected).abs() < 5.0 * f64::sqrt(variance / n as f64), "moment {p}: {}", moment(p));
        }
        let beyond = |t: f32| x.iter().filter(|v| v.abs() > t).count() as f64;
        for (t, p) in [(1.0, 0.317_310_5), (2.0, 0.045_500_3), (3.0, 0.002_699_8), (4.0, 6.334e-5)] {
            let expected: f64 = p * n as f64;
            assert!((beyond(t) - expected).abs() < 5.0 * expected.sqrt(), "beyond {t}: {}", beyond(t));
        }
        let lag: f64 = x.windows(2).map(|w| f64::from(w[0]) * f64::from(w[1])).sum::<f64>() / n as f64;
        assert!(lag.abs() < 5.0 / f64::sqrt(n as f64), "lag-1 correlation {lag}");
    }

    #[test]
    fn streams_differ_in_every_part_of_their_name_and_do_not_depend_on_length() {
        let draw = |stream: Stream, n: usize| {
            let mut out = vec![0.0; n];
            stream.fill_normal(&mut out);
            out
        };
        let base = draw(Stream::lane(1, Purpose::Noise, 0, 5), 300);
        for other in [
            Stream::lane(2, Purpose::Noise, 0, 5),
            Stream::lane(1 + (1 << 32), Purpose::Noise, 0, 5),
            Stream::lane(1, Purpose::Data, 0, 5),
            Stream::lane(1, Purpose::Noise, 1, 5),
            Stream::lane(1, Purpose::Noise, 0, 6),
            Stream::lane(1, Purpose::Noise, 0, 5 + (1 << 32)),
        ] {
            assert_ne!(draw(other, 300), base);
        }
        assert_eq!(draw(Stream::lane(1, Purpose::Noise, 0, 5), 7), base[..7]);
    }

    #[test]
    fn a_permutation_hits_everything_once() {
        for n in [1, 2, 3, 64, 65, 1000, 60_000] {
            let permutation = Permutation::new(n, &Stream::new(9, Purpose::Data, 0));
            let mut hit = vec![false; n as usize];
            (0..n).for_each(|i| hit[permutation.at(i) as usize] = true);
            assert!(hit.iter().all(|&h| h), "{n}");
        }
        let order = |epoch| {
            let p = Permutation::new(60_000, &Stream::new(9, Purpose::Data, epoch));
            (0..60_000).map(|i| p.at(i)).collect::<Vec<_>>()
        };
        let (a, b) = (order(0), order(1));
        let fixed = a.iter().zip(&b).filter(|(x, y)| x == y).count();
        assert!(fixed < 12, "two epochs agree in {fixed} places");
        // Neighbours must not stay neighbours: the mean distance in a random order is n/3.
        let distance = a.windows(2).map(|w| f64::from(w[0].abs_diff(w[1]))).sum::<f64>() / 59_999.0;
        assert!((distance - 20_000.0).abs() < 500.0, "{distance}");
    }
}
