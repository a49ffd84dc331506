//! Colours of series, which colour-blind readers can tell apart, and a colour scale for values.

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// Number of series colours. Further series reuse them with other dashes.
pub const SERIES: usize = 6;

/// The colours that a canvas is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// The background.
    pub paper: Rgb,
    /// Text.
    pub ink: Rgb,
    /// Secondary text, and axes.
    pub soft: Rgb,
    /// Lines behind everything.
    pub rule: Rgb,
    /// The series.
    pub series: [Rgb; SERIES],
}

/// Dark on white.
pub const LIGHT: Palette = Palette {
    paper: Rgb(0xFF, 0xFF, 0xFF),
    ink: Rgb(0x1A, 0x1A, 0x1A),
    soft: Rgb(0x5A, 0x5F, 0x66),
    rule: Rgb(0xDD, 0xDF, 0xE3),
    series: [
        Rgb(0x1F, 0x5F, 0xBF),
        Rgb(0xA8, 0x32, 0x00),
        Rgb(0x2B, 0xA3, 0x7A),
        Rgb(0x8C, 0x2F, 0x86),
        Rgb(0x98, 0x98, 0x00),
        Rgb(0x1A, 0x1A, 0x1A),
    ],
};

/// Light on almost black.
pub const DARK: Palette = Palette {
    paper: Rgb(0x16, 0x18, 0x1D),
    ink: Rgb(0xE8, 0xEA, 0xED),
    soft: Rgb(0xA3, 0xA9, 0xB2),
    rule: Rgb(0x36, 0x3A, 0x42),
    series: [
        Rgb(0x6E, 0xA8, 0xFF),
        Rgb(0xFF, 0x7A, 0x45),
        Rgb(0x5B, 0xE0, 0xA8),
        Rgb(0xB0, 0x62, 0x9A),
        Rgb(0xFF, 0xE0, 0x66),
        Rgb(0xE6, 0xEB, 0xF0),
    ],
};

/// Nine colours of cividis (Nuñez, Anderton & Renslow 2018). It looks much the same to people who see less red or
/// green, and its lightness grows evenly.
const RAMP: [Rgb; 9] = [
    Rgb(0x00, 0x22, 0x4E),
    Rgb(0x12, 0x35, 0x70),
    Rgb(0x3B, 0x49, 0x6C),
    Rgb(0x57, 0x5D, 0x6D),
    Rgb(0x70, 0x71, 0x73),
    Rgb(0x8A, 0x86, 0x78),
    Rgb(0xA5, 0x9C, 0x74),
    Rgb(0xC3, 0xB3, 0x69),
    Rgb(0xFD, 0xE9, 0x45),
];

/// Returns the colour of a share from 0 (worst) to 1 (best).
pub(crate) fn ramp(share: f64) -> Rgb {
    let at = share.clamp(0.0, 1.0) * (RAMP.len() - 1) as f64;
    let below = (at as usize).min(RAMP.len() - 2);
    let (part, Rgb(a, b, c), Rgb(x, y, z)) = (at - below as f64, RAMP[below], RAMP[below + 1]);
    let mix = |from: u8, to: u8| (f64::from(from) + part * (f64::from(to) - f64::from(from))).round() as u8;
    Rgb(mix(a, x), mix(b, y), mix(c, z))
}

/// Returns black or white, whichever is easier to read on `ground`.
pub(crate) fn on(ground: Rgb) -> Rgb {
    let (black, white) = (Rgb(0, 0, 0), Rgb(255, 255, 255));
    if contrast(black, ground) >= contrast(white, ground) { black } else { white }
}

/// Returns the WCAG 2 contrast of two colours, from 1 to 21.
pub(crate) fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Converts a colour to linear light.
fn linear(Rgb(red, green, blue): Rgb) -> [f64; 3] {
    [red, green, blue].map(|byte| {
        let share = f64::from(byte) / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    })
}

fn luminance(colour: Rgb) -> f64 {
    let [red, green, blue] = linear(colour);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Colour vision without red, green or blue cones (Machado, Oliveira & Fernandes 2009, severity 1), and normal
    /// vision.
    const EYES: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ];

    /// Converts a colour to CIELAB, where distances match how different colours look. A distance of 2 is barely
    /// visible.
    fn lab(colour: Rgb, eye: &[[f64; 3]; 3]) -> [f64; 3] {
        let light = linear(colour);
        let seen = eye.map(|row| row.iter().zip(light).map(|(a, b)| a * b).sum::<f64>().clamp(0.0, 1.0));
        let to = |row: [f64; 3], white: f64| row.iter().zip(seen).map(|(a, b)| a * b).sum::<f64>() / white;
        let xyz = [
            to([0.4124, 0.3576, 0.1805], 0.9505),
            to([0.2126, 0.7152, 0.0722], 1.0),
            to([0.0193, 0.1192, 0.9505], 1.089),
        ];
        let [x, y, z] = xyz.map(|t| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 });
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn all_readers_can_tell_series_apart_on_both_backgrounds() {
        for palette in [LIGHT, DARK] {
            for (at, &one) in palette.series.iter().enumerate() {
                assert!(contrast(one, palette.paper) >= 3.0, "{one:?} on {:?}", palette.paper);
                for &other in &palette.series[at + 1..] {
                    for eye in &EYES {
                        let far: f64 =
                            lab(one, eye).iter().zip(lab(other, eye)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                        assert!(far >= 19.9, "{one:?} and {other:?}: {far}");
                    }
                }
            }
            assert!(contrast(palette.ink, palette.paper) >= 12.0 && contrast(palette.soft, palette.paper) >= 4.5);
        }
    }

    #[test]
    fn numbers_on_cells_are_readable_and_lighter_is_better() {
        let mut before = -1.0;
        for step in 0..=1000 {
            let ground = ramp(f64::from(step) / 1000.0);
            assert!(contrast(on(ground), ground) >= 4.5, "{ground:?}");
            assert!(luminance(ground) >= before - 1e-3, "{ground:?}");
            before = luminance(ground);
        }
        assert_eq!((ramp(-1.0), ramp(2.0)), (RAMP[0], RAMP[8]));
        // Examples from WCAG itself.
        assert!((contrast(Rgb(0, 0, 0), Rgb(255, 255, 255)) - 21.0).abs() < 1e-9);
        assert!((contrast(Rgb(0x77, 0x77, 0x77), Rgb(255, 255, 255)) - 4.48).abs() < 0.01);
    }
}
