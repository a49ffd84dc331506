//! The HTML report in a real browser.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::browser::Browser;
use crate::run::bench::Bench;
use crate::store::{Home, YAML};

/// A page of a made-up run, opened.
fn opened(browser: &mut Browser, home: &Home) {
    home.sweep(&["report", "-o", "report.html"]);
    browser.open(&format!("file://{}", home.path().join("report.html").display()));
    browser.wait_until("document.documentElement.dataset.ready !== undefined");
}

#[test]
fn the_page_asks_for_nothing_and_has_every_figure() {
    let Some(mut browser) = Browser::start() else { return };
    let home = Home::new(YAML, |index| if index < 8 { 8.0 } else { 1.0 });
    opened(&mut browser, &home);
    assert_eq!(browser.errors(), Vec::<String>::new());
    let requests = browser.requests();
    assert_eq!(requests.iter().filter(|address| !address.starts_with("data:")).count(), 1, "{requests:?}");
    let marks = browser.eval(
        "Object.fromEntries([...document.querySelectorAll('figure')].map(of => [of.dataset.name, \
        of.querySelectorAll('path,rect,circle,img').length]))",
    );
    let marks = marks.as_object().unwrap();
    for name in [
        "forest",
        "distribution-modes_covered",
        "ecdf-modes_covered",
        "heat-map-D2GAN-modes_covered",
        "curves-modes_covered",
        "rates",
    ] {
        assert!(marks.get(name).is_some_and(|count| count.as_u64() > Some(3)), "{name}: {marks:?}");
    }
    // The verdict comes first, in words.
    assert_eq!(browser.eval("document.querySelector('section.sweep h2').nextElementSibling.className"), "verdict");
    assert!(browser.eval("document.querySelector('.verdict').textContent").as_str().unwrap().contains("D2GAN"));
    // Nothing is wider than a phone.
    browser.set_viewport(400, 800);
    assert_eq!(browser.eval("document.documentElement.scrollWidth <= 400"), true);
}

#[test]
fn variants_scores_and_runs_are_switched() {
    let Some(mut browser) = Browser::start() else { return };
    let home = Home::new(YAML, |index| if index < 8 { 8.0 } else { 1.0 });
    opened(&mut browser, &home);
    // Within an SVG, Chromium's checkVisibility says nothing.
    let shown = |what: &str| {
        let is_seen = "getComputedStyle(of).display !== 'none' && of.closest('figure, tr').checkVisibility()";
        format!("[...document.querySelectorAll({what:?})].filter(of => {is_seen}).length")
    };
    let lines = shown("figure[data-name=curves-modes_covered] .line[data-v='1']");
    assert_eq!(browser.eval(&lines), 1);
    browser.click("input[data-variant='1']");
    assert_eq!(browser.eval(&lines), 0);
    browser.click("input[data-variant='1']");
    assert_eq!(browser.eval(&lines), 1);

    let singles = shown("figure[data-name=curves-modes_covered] .single");
    let before = browser.eval(&singles).as_u64().unwrap();
    browser.click("input[name=singles]");
    assert_eq!((before > 0, browser.eval(&singles)), (true, json!(0)));

    browser.eval(
        "const d = [...document.querySelectorAll('details')].find(of => of.querySelector('tr[data-j]')); d.open = true",
    );
    let rows = shown("tr[data-j]");
    assert_eq!(browser.eval(&rows), 10);
    browser.eval(
        "const f = document.querySelector('input[name=find]'); f.value = 'alpha 0.2, beta 0.1, seed 1'; \
        f.dispatchEvent(new Event('input', {bubbles: true}))",
    );
    assert_eq!(browser.eval(&rows), 1);
}

#[test]
fn tables_are_sorted_and_a_job_tells_its_story() {
    let Some(mut browser) = Browser::start() else { return };
    let home = Home::new(YAML, |index| index as f64);
    opened(&mut browser, &home);
    browser.eval(
        "const d = [...document.querySelectorAll('details')].find(of => of.querySelector('tr[data-j]')); \
        d.open = true; d.scrollIntoView()",
    );
    let column = "[...document.querySelectorAll('tr[data-j]')].map(of => of.cells[5].textContent)";
    let head = "[...document.querySelectorAll('tr[data-j]')][0].closest('table').querySelectorAll('thead \
        th')[5].querySelector('button').click()";
    browser.eval(head);
    // Jobs 0 and 1 have none; they come last, whichever way.
    assert_eq!(browser.eval(column), json!(["2.00", "3.00", "4.00", "5.00", "6.00", "7.00", "8.00", "9.00", "", ""]));
    browser.eval(head);
    assert_eq!(browser.eval(column), json!(["9.00", "8.00", "7.00", "6.00", "5.00", "4.00", "3.00", "2.00", "", ""]));

    browser.eval("[...document.querySelectorAll('tr[data-j]')].pop().click()");
    browser.wait_until("document.getElementById('job').open");
    let told = browser.eval("document.getElementById('job').textContent");
    let told = told.as_str().unwrap();
    for expected in ["alpha 0.1, beta 0.1", "seed", "attempt 1 in slot cpu", "sweep show"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert_eq!(browser.errors(), Vec::<String>::new());
}

#[test]
fn without_scripts_all_is_there_to_read() {
    let Some(mut browser) = Browser::start() else { return };
    let home = Home::new(YAML, |index| if index < 8 { 8.0 } else { 1.0 });
    home.prints(&["report", "-o", "report.html"]);
    browser.set_scripts(false);
    browser.open(&format!("file://{}", home.path().join("report.html").display()));
    assert_eq!(browser.eval("document.querySelector('.controls').checkVisibility()"), false);
    let seen = "[...document.querySelectorAll('figure[data-first] svg')].filter(of => of.checkVisibility()).length";
    assert!(browser.eval(seen).as_u64() > Some(5));
    assert_eq!(browser.errors(), Vec::<String>::new());
}

#[test]
fn a_name_is_a_name_whatever_it_says() {
    let Some(mut browser) = Browser::start() else { return };
    let name = format!("</script><script>alert(1)</script><img src=x onerror=alert(2)>{}", "x".repeat(38));
    let yaml = YAML.replace("name: GAN,", &format!("name: '{name}',"));
    let yaml = yaml.split("expect:").next().unwrap();
    let home = Home::new(yaml, |index| if index < 8 { 8.0 } else { 1.0 });
    opened(&mut browser, &home);
    assert_eq!(browser.errors(), Vec::<String>::new());
    assert_eq!(browser.eval("document.querySelectorAll('main img[src=x], main script:not([type])').length"), 0);
    assert_eq!(browser.eval(&format!("document.querySelector('.controls').textContent.includes({name:?})")), true);
    browser.set_viewport(800, 800);
    assert_eq!(browser.eval("document.documentElement.scrollWidth <= 800"), true);
    let page = fs::read_to_string(home.path().join("report.html")).unwrap();
    assert!(!page.contains("onerror=alert(2)>"), "no text ends a tag");
}

/// A sweep that comes with the program, what is made shorter in its text, and figures that its page has.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

/// What comes with the program, in short, on real workers: points and images, grids and none.
#[test]
fn the_quick_sweeps_pages_have_all_their_figures() {
    let Some(mut browser) = Browser::start() else { return };
    let cases: [Case; 4] = [
        (
            "gaussians_smoke",
            &[("steps: 5000", "steps: 200"), ("every: 2500", "every: 100"), ("samples: 10000", "samples: 1000")],
            &["points", "losses-GAN", "outputs-GAN", "samples-GAN"],
        ),
        (
            "objectives_2d_smoke",
            &[
                ("steps: 800", "steps: 40"),
                ("every: 400", "every: 20"),
                ("samples: 10000", "samples: 500"),
                ("margin_epoch: 50", "margin_epoch: 10"),
            ],
            &["forest", "curves-modes_covered", "samples-MGAN", "losses-LSGAN"],
        ),
        (
            "mnist_alpha_beta_smoke",
            &[("steps: 1500", "steps: 60"), ("every: 500", "every: 20"), ("samples: 2000", "samples: 300")],
            &["samples-D2GAN", "heat-map-D2GAN-mode_score"],
        ),
        (
            "mnist_1k_smoke",
            &[("steps: 60", "steps: 6"), ("samples: 2000", "samples: 300")],
            &["samples-GAN", "timeline"],
        ),
    ];
    for (name, shorter, expected) in cases {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("sweeps/{name}.yaml"));
        let mut text = fs::read_to_string(path).unwrap();
        for (long, short) in shorter {
            assert!(text.contains(long), "{name}: {long}");
            text = text.replace(long, short);
        }
        let bench = Bench::real().with("SWEEP_SLOTS", 2).file("a sweep.yaml", &text);
        bench.sweep(&["run", "a sweep.yaml"]);
        let page = bench.home().join("report.html");
        bench.sweep(&["report", "-o", page.to_str().unwrap()]);
        browser.open(&format!("file://{}", page.display()));
        browser.wait_until("document.documentElement.dataset.ready !== undefined");
        assert_eq!(browser.errors(), Vec::<String>::new(), "{name}");
        let figures = browser.eval(
            "Object.fromEntries([...document.querySelectorAll('figure')].map(of => [of.dataset.name, \
            of.querySelectorAll('svg path, svg circle, svg rect, .gallery img[src]').length]))",
        );
        let figures = figures.as_object().unwrap();
        for expected in expected {
            assert!(figures.contains_key(*expected), "{name}: {expected}: {figures:?}");
        }
        assert!(figures.values().all(|marks| marks.as_u64() > Some(0)), "{name}: {figures:?}");
        if name == "gaussians_smoke" {
            pick_a_score(&mut browser);
        }
        // A picture that is shown is one.
        let broken = "[...document.querySelectorAll('.gallery img[src]')].filter(of => of.complete && of.naturalWidth \
            === 0).length";
        assert_eq!(browser.eval(broken), 0, "{name}");
    }
}

/// Another score is picked, and its figures take the place of the others.
fn pick_a_score(browser: &mut Browser) {
    let of = |score: &str| {
        format!(
            "[...document.querySelectorAll('figure[data-score={score}]')].filter(of => of.checkVisibility()).length"
        )
    };
    assert!(browser.eval(&of("modes_covered")).as_u64() > Some(0));
    assert_eq!(browser.eval(&of("symmetric_kl")), 0);
    browser.eval(
        "const s = document.querySelector('select[name=score]'); s.value = 'symmetric_kl'; \
        s.dispatchEvent(new Event('input', {bubbles: true}))",
    );
    assert_eq!(browser.eval(&of("modes_covered")), 0);
    assert!(browser.eval(&of("symmetric_kl")).as_u64() > Some(0));
}
