//! That the browser does and sees what it says it does.

use serde_json::json;

use super::{Browser, bytes};

const PAGE: &str = "<!doctype html><html><head><meta charset=utf-8><title>small</title><style>
p { color: rgb(1, 2, 3) } @media (prefers-color-scheme: dark) { p { color: rgb(4, 5, 6) } }
</style></head><body><p id=text>before</p><div style='height: 3000px'></div><button>press</button>
<noscript><b id=without>without</b></noscript>
<script>
console.log('no error');
console.error('seen', 7);
document.querySelector('button').onclick = event => \
    { document.getElementById('text').textContent = 'after ' + event.isTrusted; };
fetch('small.html?asked').catch(() => {});
setTimeout(() => { throw new Error('thrown'); });
</script></body></html>";

#[test]
fn a_small_page_is_seen_heard_and_clicked() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("small.html");
    std::fs::write(&file, PAGE).unwrap();
    let url = format!("file://{}", file.display());
    browser.set_viewport(640, 480);
    browser.set_colour_scheme("light");
    browser.open(&url);
    assert_eq!(browser.eval("document.title"), "small");
    assert_eq!(
        browser.eval("new Promise(done => setTimeout(() => done([1, {a: null}]), 10))"),
        json!([1, {"a": null}])
    );
    assert_eq!(browser.eval("[innerWidth, innerHeight]"), json!([640, 480]));

    let colour = "getComputedStyle(document.querySelector('p')).color";
    assert_eq!(browser.eval(colour), "rgb(1, 2, 3)");
    browser.set_colour_scheme("dark");
    assert_eq!(browser.eval(colour), "rgb(4, 5, 6)");

    browser.click("button");
    browser.wait_until("document.getElementById('text').textContent === 'after true'");

    let errors = browser.errors();
    assert!(errors.iter().any(|error| error.contains("seen") && error.contains('7')), "{errors:?}");
    assert!(errors.iter().any(|error| error.contains("thrown")), "{errors:?}");
    assert!(!errors.iter().any(|error| error.contains("no error")), "{errors:?}");
    let requests = browser.requests();
    assert!(requests[0] == url && requests.iter().any(|asked| asked.ends_with("small.html?asked")), "{requests:?}");

    let picture = image::load_from_memory(&browser.screenshot()).unwrap();
    assert_eq!((picture.width(), picture.height()), (640, 480));

    // What belongs to one page is not told of the next.
    browser.open("data:text/html,<title>other</title>");
    assert_eq!((browser.errors(), browser.requests().len()), (vec![], 1));

    browser.set_scripts(false);
    browser.open(&url);
    assert_eq!(browser.eval("document.getElementById('text').textContent"), "before");
    assert_eq!(browser.eval("document.getElementById('without').textContent"), "without");
    assert_eq!(browser.errors(), Vec::<String>::new());
}

#[test]
fn base64_is_read() {
    assert_eq!(bytes("c3dlZXA="), b"sweep");
    assert_eq!((bytes("/+8="), bytes(""), bytes("AAAA")), (vec![255, 239], vec![], vec![0; 3]));
}
