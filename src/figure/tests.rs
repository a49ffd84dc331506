//! Property tests with arbitrary data: files contain valid numbers only, everything is inside the picture, and the same
//! data give the same bytes.

use std::io::Read;

use flate2::read::ZlibDecoder;
use proptest::prelude::*;

use super::*;

/// Numbers as runs that went wrong produce them.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -10.0..10.0f64,
        1 => Just(0.0),
        1 => 1e-9..1e-3f64,
        1 => prop::sample::select(vec![
            f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -0.0,
        ]),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9 .,]{0,12}",
        1 => Just("x".repeat(200)),
        1 => Just("<script>alert(1)</script> & \"quotes\" 'too'".to_owned()),
        1 => Just("模型 α\u{202e}\x1b[2J\n\u{0}]]>".to_owned()),
        1 => any::<String>(),
    ]
}

fn some<T: std::fmt::Debug>(of: impl Strategy<Value = T>, most: usize) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(of, 0..=most)
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Linear, Kind::Log])
}

fn axis() -> impl Strategy<Value = Axis> {
    (name(), kind()).prop_map(|(label, kind)| Axis { label, kind })
}

fn thread() -> impl Strategy<Value = KeyAxis> {
    (name(), kind(), some(name(), 3)).prop_map(|(label, kind, levels)| KeyAxis { label, kind, levels })
}

fn line() -> impl Strategy<Value = Line> {
    let point = (value(), value(), 0..9_usize).prop_map(|(x, y, n)| Point { x, y, n });
    let single = (any::<u64>(), name(), some((value(), value()), 4)).prop_map(|(seed, job, points)| Single {
        of: SingleOf::Seed(seed),
        job,
        points,
    });
    (name(), 0..60_usize, some(point, 6), some((value(), value(), value()), 4), some(single, 3)).prop_map(
        |(name, variant, points, band, singles)| Line { name, variant, series: variant, points, band, singles },
    )
}

fn along() -> impl Strategy<Value = KeyValues> {
    (name(), prop::collection::vec(name(), 1..5)).prop_map(|(key, values)| KeyValues { key, values })
}

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        3 => (value(), prop::option::of(value()), 0..99_usize, 0..99_usize)
            .prop_map(|(mean, std, n, of)| Cell::Value { mean, std, n, of }),
        1 => (0..9_usize).prop_map(Cell::Lost),
        1 => (0..9_usize).prop_map(Cell::Open),
        1 => (0..9_u64).prop_map(Cell::Stopped),
        1 => Just(Cell::None),
    ]
}

fn heat_map() -> impl Strategy<Value = HeatMap> {
    (along(), along(), name(), any::<bool>()).prop_flat_map(|(down, across, value, higher)| {
        let row = prop::collection::vec(cell(), across.values.len());
        prop::collection::vec(row, down.values.len()).prop_map(move |cells| HeatMap {
            down: down.clone(),
            across: across.clone(),
            value: value.clone(),
            higher,
            cells,
        })
    })
}

fn plot() -> impl Strategy<Value = Plot> {
    let curves = (axis(), axis(), any::<bool>(), some(line(), 4))
        .prop_map(|(x, y, stepped, lines)| Plot::Curves(Curves { x, y, stepped, lines }));
    let dot = (value(), name()).prop_map(|(value, of)| Dot { value, of });
    let spread = (name(), 0..60_usize, some(dot, 6), 0..4_usize).prop_map(|(name, variant, dots, lost)| Spread {
        name,
        variant,
        dots,
        lost,
    });
    let distribution = (axis(), some(spread, 4)).prop_map(|(x, rows)| {
        let edges = bins(rows.iter().flat_map(|row| row.dots.iter().map(|dot| dot.value)), 12);
        Plot::Distribution(Distribution { x, edges, rows })
    });
    let interval = (name(), 0..60_usize, value(), prop::option::of((value(), value())), name())
        .prop_map(|(name, variant, value, interval, said)| Interval { name, variant, value, interval, said });
    let panel =
        (name(), prop::option::of(value()), prop::option::of((name(), name())), any::<bool>(), some(interval, 4))
            .prop_map(|(title, reference, ends, percent, rows)| Panel { title, reference, ends, percent, rows });
    let intervals = some(panel, 3).prop_map(|panels| Plot::Intervals(Intervals { panels }));
    let parallel = (some(thread(), 5), any::<bool>(), some((name(), some(prop::option::of(value()), 5)), 6)).prop_map(
        |(axes, higher, lines)| {
            let lines = lines.into_iter().map(|(name, mut values)| {
                values.resize(axes.len(), None);
                (name, values)
            });
            Plot::Parallel(Parallel { lines: lines.collect(), axes, higher })
        },
    );
    let slice = (thread(), some((0..60_usize, value(), value(), name()), 5)).prop_map(|(x, dots)| Slice { x, dots });
    let slices = (axis(), some(slice, 4)).prop_map(|(y, slices)| Plot::Slices(Slices { y, slices }));
    let points = (name(), 0..60_usize, name()).prop_map(|(title, variant, path)| Points { title, variant, path });
    let scatter = (some([value(), value()], 4), value(), some(points, 4))
        .prop_map(|(centres, radius, panels)| Plot::Scatter(Scatter { centres, radius, panels }));
    let sheet = ((0..5_usize, 0..5_usize), 0..2_usize, name(), 0..60_usize, name(), some((any::<u64>(), name()), 2))
        .prop_map(|(place, layer, name, variant, job, steps)| Sheet { place, layer, name, variant, job, steps });
    let gallery = (along(), along(), some(name(), 3), some(sheet, 5))
        .prop_map(|(down, across, layers, sheets)| Plot::Gallery(Gallery { down, across, layers, sheets }));
    let end = prop::sample::select(vec![End::Running, End::Finished, End::Stopped, End::Failed]);
    let bar = (0..4_usize, value(), prop::option::of(value()), end, name())
        .prop_map(|(slot, from, to, end, name)| Bar { slot, from, to, end, name });
    let timeline = (some(name(), 4), value(), some(bar, 5))
        .prop_map(|(slots, from, bars)| Plot::Timeline(Timeline { slots, from, bars }));
    prop_oneof![
        curves,
        heat_map().prop_map(Plot::HeatMap),
        distribution,
        intervals,
        parallel,
        slices,
        scatter,
        gallery,
        timeline
    ]
}

fn figure() -> impl Strategy<Value = Figure> {
    (name(), plot()).prop_map(|(title, plot)| Figure {
        name: "a".into(),
        title,
        score: None,
        first: true,
        small: true,
        notes: Vec::new(),
        plot,
    })
}

/// Returns a picture and points for every path.
struct Some_;

impl Files for Some_ {
    fn picture(&self, _: &str, _: u64, _: &str) -> Option<Picture> {
        let mut png = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(2, 2).write_to(&mut png, image::ImageFormat::Png).unwrap();
        Some(Picture { href: "data:image/png;base64,".into(), png: png.into_inner() })
    }

    fn points(&self, _: &str) -> Option<Vec<[f64; 2]>> {
        Some(vec![[0.5, -0.5], [f64::NAN, 1.0], [1e300, f64::INFINITY]])
    }
}

/// Returns the attributes of an SVG that are numbers or lists of numbers.
fn attributes(svg: &str) -> Vec<(&str, &str)> {
    const NUMBERS: &[&str] = &[
        "d",
        "x",
        "y",
        "width",
        "height",
        "cx",
        "cy",
        "r",
        "font-size",
        "opacity",
        "stroke-width",
        "stroke-dasharray",
        "viewBox",
        "transform",
    ];
    let tags = svg.split('<').skip(1).filter_map(|tag| tag.split('>').next());
    let pairs = tags.flat_map(|tag| {
        let parts: Vec<&str> = tag.split('"').collect();
        parts
            .chunks_exact(2)
            .map(|pair| (pair[0].trim_end_matches('=').rsplit(' ').next().unwrap_or(""), pair[1]))
            .collect::<Vec<_>>()
    });
    pairs.filter(|(name, _)| NUMBERS.contains(name)).collect()
}

#[test]
fn the_property_tests_see_every_mark() {
    let svg = "<svg viewBox=\"0 0 1 2\" class=\"x\">\n<rect x=\"1\" width=\"NaN\"/>\n<path d=\"M1 infL2 3\" \
        fill=\"none\"/></svg>";
    assert_eq!(attributes(svg), [("viewBox", "0 0 1 2"), ("x", "1"), ("width", "NaN"), ("d", "M1 infL2 3")]);
    assert!(is_balanced(svg) && !is_balanced("<g><rect/>") && !is_balanced("<g></svg>"));
    let mut canvas = Canvas::new(10.0, 10.0);
    canvas.disc([5.0, 5.0, 2.0], canvas::Paint::Ink, 0.5);
    canvas.disc([f64::NAN, 5.0, 2.0], canvas::Paint::Ink, 1.0);
    let drawn = content(&pdf(&canvas, "a"));
    assert_eq!(drawn.matches(" m\n").count(), 1, "{drawn}");
    assert_eq!(drawn.matches(" c\n").count(), 4, "{drawn}");
}

/// Returns whether every tag is closed, in order.
fn is_balanced(svg: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    for tag in svg.split('<').skip(1) {
        let Some((tag, _)) = tag.split_once('>') else { return false };
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return false;
            }
        } else if !tag.ends_with('/') {
            open.push(tag.split([' ', '\n']).next().unwrap_or(""));
        }
    }
    open.is_empty()
}

/// Returns the page's content, uncompressed.
fn content(pdf: &[u8]) -> String {
    let mut text = String::new();
    let start = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let mut rest = pdf;
    while let Some(at) = start(rest, b"stream\n") {
        rest = &rest[at + 7..];
        let mut unpacked = Vec::new();
        if ZlibDecoder::new(rest).read_to_end(&mut unpacked).is_ok() {
            text.push_str(&String::from_utf8_lossy(&unpacked));
        }
        rest = start(rest, b"endstream").map_or(&[][..], |at| &rest[at + 9..]);
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn files_contain_only_valid_numbers_for_any_data(
        figure in figure(),
        width in 80.0..900.0f64,
        log in any::<bool>(),
    ) {
        let look = Look { width, size: 8.0, log, files: &Some_ };
        let canvas = draw(&figure, &look);
        for colours in [Colours::Fixed(LIGHT), Colours::OfPage] {
            let text = svg(&canvas, &figure.title, colours);
            for (name, value) in attributes(&text) {
                let parts = value.split(|c: char| c.is_ascii_whitespace() || "MLCZ(),".contains(c));
                for number in parts.filter(|part| !part.is_empty() && *part != "rotate") {
                    let number = number.trim_end_matches("pt");
                    prop_assert!(number.parse::<f64>().is_ok_and(f64::is_finite), "{}=\"{}\"", name, value);
                    prop_assert!(number.len() < 12, "{}=\"{}\"", name, value);
                }
            }
            prop_assert!(is_balanced(&text), "{}", text);
            prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
            prop_assert_eq!(&text, &svg(&draw(&figure, &look), &figure.title, colours));
        }
        let file = pdf(&canvas, &figure.title);
        prop_assert!(file.starts_with(b"%PDF-1.") && file.ends_with(b"%%EOF\n") | file.ends_with(b"%%EOF"));
        let drawn = content(&file);
        prop_assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{}", drawn);
        prop_assert_eq!(file, pdf(&canvas, &figure.title));
        csv(&figure);
        for columns in [10, 40, 100] {
            if let Some(text) = text(&figure, columns) {
                prop_assert!(text.lines().all(|line| line.chars().count() <= columns), "{}", text);
            }
        }
        serde_json::to_string(&figure).unwrap();
    }
}

/// Returns the groups of a class.
fn groups<'a>(canvas: &'a Canvas, class: &str) -> Vec<&'a Group> {
    let of = |mark: &'a Mark| match mark {
        Mark::Open(group) if group.class == class => Some(group),
        _ => None,
    };
    canvas.marks.iter().filter_map(of).collect()
}

fn drawn(plot: Plot) -> Canvas {
    let figure =
        Figure { name: "a".into(), title: "a".into(), score: None, first: true, small: true, notes: Vec::new(), plot };
    draw(&figure, &Look { width: 240.0, size: 8.0, log: false, files: &NoFiles })
}

#[test]
fn a_heat_map_describes_each_cell() {
    let along = |key: &str, values: &[&str]| KeyValues {
        key: key.into(),
        values: values.iter().map(|value| (*value).into()).collect(),
    };
    let scored = |mean, std, n| Cell::Value { mean, std, n, of: 3 };
    let map = HeatMap {
        down: along("alpha", &["0.1", "0.2"]),
        across: along("beta", &["1", "2", "3"]),
        value: "mean mode_score".into(),
        higher: false,
        cells: vec![
            vec![scored(2.0, Some(0.5), 3), scored(8.0, None, 1), Cell::None],
            vec![Cell::Lost(3), Cell::Open(3), scored(f64::NAN, None, 0)],
        ],
    };
    let canvas = drawn(Plot::HeatMap(map.clone()));
    let titles: Vec<&str> = groups(&canvas, "cell").iter().filter_map(|group| group.title.as_deref()).collect();
    assert_eq!(
        titles,
        [
            "alpha 0.1, beta 1: mean mode_score 2.00 ± 0.50 (n = 3)",
            "alpha 0.1, beta 2: mean mode_score 8.00 (n = 1 of 3)",
            "alpha 0.1, beta 3: not in the sweep",
            "alpha 0.2, beta 1: all 3 lost",
            "alpha 0.2, beta 2: no scores yet, of 3",
            "alpha 0.2, beta 3: mean mode_score NaN (n = 0 of 3)",
        ]
    );
    // Lower is better, so the smaller value is lighter and has dark text on it.
    let fills: Vec<Rgb> = canvas
        .marks
        .iter()
        .filter_map(|mark| match mark {
            Mark::Rect { fill: Some(canvas::Paint::Exact(r, g, b)), .. } => Some(Rgb(*r, *g, *b)),
            _ => None,
        })
        .collect();
    assert_eq!(fills[..2], [colour::ramp(1.0), colour::ramp(0.0)]);
    let figure = Figure {
        name: "a".into(),
        title: "a".into(),
        score: None,
        first: true,
        small: true,
        notes: Vec::new(),
        plot: Plot::HeatMap(map),
    };
    assert_eq!(
        text(&figure, 60).unwrap(),
        "  0.1 ██ ▁▁\n  0.2 ×× ·· ××\n      beta: 1 → 3\n▁ 8.00 to █ 2.00; rows: alpha\n"
    );
    insta::assert_snapshot!("heat_map_svg", svg(&canvas, "a", Colours::Fixed(LIGHT)));
    insta::assert_snapshot!("heat_map_csv", csv(&figure));
}

#[test]
fn curves_pass_through_their_points() {
    let points = [(0.0, 1.0), (50.0, f64::NAN), (100.0, 3.0), (200.0, 2.0)].map(|(x, y)| Point { x, y, n: 3 }).to_vec();
    let singles = vec![Single { of: SingleOf::Seed(7), job: "0a1b".into(), points: vec![(0.0, 0.0), (200.0, 4.0)] }];
    let line = Line {
        name: "GAN".into(),
        variant: 1,
        series: 1,
        points,
        band: vec![(0.0, 0.0, 2.0), (200.0, 1.0, 4.0)],
        singles,
    };
    let axis = |label: &str| Axis { label: label.into(), kind: Kind::Linear };
    let curves = Curves { x: axis("step"), y: axis("mode_score"), stepped: false, lines: vec![line] };
    let canvas = drawn(Plot::Curves(curves.clone()));
    let [single] = groups(&canvas, "single")[..] else { panic!("one run behind") };
    assert_eq!(
        (single.job.as_deref(), single.title.as_deref(), single.variant),
        (Some("0a1b"), Some("GAN, seed 7"), Some(1))
    );
    let titles: Vec<&str> = groups(&canvas, "dot").iter().filter_map(|group| group.title.as_deref()).collect();
    assert_eq!(titles[0], "GAN: 1.00 at step 0 (3 runs)");
    // The discs are as far apart as their values.
    let discs: Vec<(f64, f64)> = canvas
        .marks
        .iter()
        .filter_map(|mark| match mark {
            Mark::Disc { at: [x, y, _], .. } => Some((*x, *y)),
            _ => None,
        })
        .collect();
    assert_eq!(discs.len(), 3, "what is not finite lies nowhere");
    let (a, b, c) = (discs[0], discs[1], discs[2]);
    assert!(((c.0 - b.0) - (b.0 - a.0)).abs() < 1e-9 && ((a.1 - b.1) - 2.0 * (a.1 - c.1)).abs() < 1e-9, "{discs:?}");
    let figure = |curves: Curves| Figure {
        name: "a".into(),
        title: "a".into(),
        score: None,
        first: true,
        small: true,
        notes: Vec::new(),
        plot: Plot::Curves(curves),
    };
    insta::assert_snapshot!("curves_text", text(&figure(curves.clone()), 50).unwrap());
    insta::assert_snapshot!("curves_csv", csv(&figure(curves.clone())));
    assert!(!can_be_log(&figure(curves.clone())), "a single run has a 0");
    let mut positive = curves;
    positive.lines[0].singles.clear();
    positive.lines[0].band.clear();
    assert!(can_be_log(&figure(positive)));
}

#[test]
fn shares_of_a_distribution_are_of_all_jobs() {
    let dots = [0.5, 1.5, 1.5, 2.0].map(|value| Dot { value, of: format!("{value}") }).to_vec();
    let rows = vec![Spread { name: "GAN".into(), variant: 0, dots, lost: 1 }];
    let distribution =
        Distribution { x: Axis { label: "score".into(), kind: Kind::Linear }, edges: vec![0.0, 1.0, 2.0], rows };
    let canvas = drawn(Plot::Distribution(distribution));
    let titles: Vec<&str> = groups(&canvas, "bar").iter().filter_map(|group| group.title.as_deref()).collect();
    assert_eq!(titles, ["GAN: 20 % of 5 jobs from 0.00 to 1.00", "GAN: 60 % of 5 jobs from 1.00 to 2.00"]);
    assert_eq!(groups(&canvas, "dot").len(), 4);
}
