//! HTML pages: as [`Pages`] makes them, and with what the server adds.

/// Directives that a live page needs in addition to its own: it loads two files that make it live, sample sheets and
/// the event stream from this server.
const OWN: [&str; 4] = ["script-src", "style-src", "img-src", "connect-src"];

/// Directives that hold for every page, whatever its own policy says: no page may frame it, and it sends no forms.
const ALWAYS: [&str; 3] = ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"];

/// What is inserted into the head of each page.
const LIVE: &str = "<link rel=\"stylesheet\" href=\"/live.css\"><script src=\"/live.js\" defer></script>";

/// A page as [`Pages`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// A whole HTML document with one `<main>`. Each child of `<main>` is replaced on its own when it changes. Children
    /// are matched by `id`, or by position if they have none.
    pub html: String,
    /// Its Content-Security-Policy, as strict as the page itself allows.
    pub policy: String,
}

/// Makes pages.
pub trait Pages: Send + Sync + 'static {
    /// Makes the page of one sweep, or of all sweeps. It may be slow: it does not run on a thread that answers
    /// requests.
    ///
    /// # Errors
    ///
    /// What went wrong, in words for the reader of the page.
    fn page(&self, sweep: Option<&str>) -> Result<Page, String>;
}

impl Page {
    /// Adds what makes the page live.
    pub(crate) fn live(self) -> Page {
        let at = self.html.find("</head>").or_else(|| self.html.find("<main")).unwrap_or(0);
        let (before, after) = self.html.split_at(at);
        Page { html: format!("{before}{LIVE}{after}"), policy: policy(&self.policy) }
    }

    /// Returns the contents of its `<main>`.
    pub(crate) fn main(&self) -> Option<&str> {
        let start = self.html.find("<main")?;
        let start = start + self.html[start..].find('>')? + 1;
        let end = self.html.rfind("</main>")?;
        self.html.get(start..end)
    }
}

/// Makes an error page. It is live, so the right page replaces it once that can be made.
pub(crate) fn error_page(words: &str) -> Page {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta \
        charset=\"utf-8\"><title>sweep</title></head><body><main><p>{words}</p></main></body></html>"
    );
    Page { html, policy: "default-src 'none'".to_owned() }.live()
}

/// Extends the policy `of` by what a live page may load.
fn policy(of: &str) -> String {
    let mut directives: Vec<(&str, Vec<&str>)> = Vec::new();
    for directive in of.split(';') {
        let mut words = directive.split_whitespace();
        if let Some(name) = words.next() {
            directives.push((name, words.collect()));
        }
    }
    let of = |name: &str, directives: &[(&str, Vec<&str>)]| directives.iter().position(|(other, _)| *other == name);
    for name in OWN {
        let at = of(name, &directives).unwrap_or_else(|| {
            // A directive that is not given inherits the sources of `default-src`.
            let usual = of("default-src", &directives).map_or_else(Vec::new, |at| directives[at].1.clone());
            directives.push((name, usual));
            directives.len() - 1
        });
        let sources = &mut directives[at].1;
        sources.retain(|source| *source != "'none'");
        if !sources.contains(&"'self'") {
            sources.push("'self'");
        }
    }
    for always in ALWAYS {
        let (name, source) = always.split_once(' ').unwrap_or((always, ""));
        directives.retain(|(other, _)| *other != name);
        directives.push((name, vec![source]));
    }
    let written = |(name, sources): &(&str, Vec<&str>)| [&[*name][..], sources].concat().join(" ");
    directives.iter().map(written).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(html: &str) -> Page {
        Page { html: html.to_owned(), policy: "default-src 'none'".to_owned() }
    }

    #[test]
    fn a_page_becomes_live_and_is_otherwise_unchanged() {
        let served =
            page("<html><head><title>x</title></head><body><main id=\"m\"><p>y</p></main></body></html>").live();
        let expected = format!("<title>x</title>{LIVE}</head><body><main id=\"m\"><p>y</p></main></body></html>");
        assert_eq!(served.html, format!("<html><head>{expected}"));
        assert_eq!(served.main(), Some("<p>y</p>"));
        assert_eq!(page("<main>x</main>").live().html, format!("{LIVE}<main>x</main>"));
        assert_eq!((page("<main").main(), page("no").main(), page("</main><main>").main()), (None, None, None));
    }

    #[test]
    fn errors_are_escaped() {
        let page = error_page("no <main> & no </main>");
        assert_eq!(page.main(), Some("<p>no &lt;main> &amp; no &lt;/main></p>"));
        assert!(page.html.contains(LIVE));
    }

    #[test]
    fn a_policy_allows_what_a_live_page_needs_and_stays_strict() {
        let strict = "default-src 'none'; script-src 'sha256-x='; img-src data:; frame-ancestors *";
        let live = "default-src 'none'; script-src 'sha256-x=' 'self'; img-src data: 'self'; style-src 'self'; \
            connect-src 'self'; \
                    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        assert_eq!(policy(strict), live);
        assert_eq!(policy(live), live);
        assert!(policy("default-src data:").contains("style-src data: 'self'"));
        assert!(policy("script-src 'none'").contains("script-src 'self';"));
    }
}
