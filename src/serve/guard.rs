//! Decides which requests are answered. Any web page open in a browser can send requests to this machine's loopback
//! address, and so can any user of this machine. Checking the host name stops pages whose domain name was made to point
//! here; the token stops everybody else.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};

/// Length of a token in bytes: long enough that nobody can guess one.
const BYTES: usize = 16;

/// The secret token, and the cookie with which a browser proves that it knows it.
#[derive(Debug)]
pub(crate) struct Pass {
    token: String,
    /// The name of the cookie. It contains the port because all ports of a host share one set of cookies.
    cookie: String,
}

/// How a request is handled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is answered.
    Admitted,
    /// It has the token in its address: the browser gets the cookie and a redirect to the bare address.
    SetsCookie,
    /// It is refused, with a status and a reason in words.
    Refused(StatusCode, String),
}

const TOKEN_WANTED: &str = "This page needs the token that `sweep serve` printed: open the whole address, with \
    `?token=…`, once in this browser. Each start of `sweep serve` makes a new token.";

impl Pass {
    /// Makes a new token for the page on this port.
    ///
    /// # Errors
    ///
    /// If the system cannot supply random numbers.
    pub(crate) fn new(port: u16) -> std::io::Result<Self> {
        let mut bytes = [0_u8; BYTES];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        let token = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Pass { token, cookie: format!("sweep-{port}") })
    }

    /// Returns the token, as it appears in the address.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Returns the `Set-Cookie` header. The browser keeps the cookie until it is closed, scripts cannot read it, and
    /// pages of other sites cannot make the browser send it.
    pub(crate) fn cookie(&self) -> String {
        format!("{}={}; HttpOnly; SameSite=Strict; Path=/", self.cookie, self.token)
    }

    /// Decides how to handle a request.
    pub(crate) fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Verdict {
        let refused = |status, why: String| Verdict::Refused(status, why);
        let Some(host) = host(uri, headers) else {
            return refused(
                StatusCode::FORBIDDEN,
                "This page is only available on this machine: open it as 127.0.0.1, localhost or [::1].".to_owned(),
            );
        };
        if let Some(origin) = headers.get(header::ORIGIN)
            && origin.as_bytes() != format!("http://{host}").as_bytes()
        {
            return refused(StatusCode::FORBIDDEN, "Pages of other origins may not request this one.".to_owned());
        }
        if method != Method::GET && method != Method::HEAD {
            return refused(StatusCode::METHOD_NOT_ALLOWED, "This page is read-only: use GET or HEAD.".to_owned());
        }
        match query(uri.query().unwrap_or_default(), "token") {
            Some(token) if uri.path() == "/" && equal_in_constant_time(&token, &self.token) => Verdict::SetsCookie,
            Some(_) => refused(StatusCode::FORBIDDEN, format!("This token is wrong. {TOKEN_WANTED}")),
            None if self.is_known(headers) => Verdict::Admitted,
            None => refused(StatusCode::FORBIDDEN, TOKEN_WANTED.to_owned()),
        }
    }

    fn is_known(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let mut cookies =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        cookies.any(|(name, value)| name == self.cookie && equal_in_constant_time(value, &self.token))
    }
}

/// Whether a page of another site started this request. If so, the browser withholds strict cookies, even after
/// redirects.
pub(crate) fn from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get(HeaderName::from_static("sec-fetch-site")).map(|site| site.as_bytes());
    site.is_some_and(|site| site != b"none" && site != b"same-origin")
}

/// Returns the requested host if there is exactly one and its name can only mean this machine.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let mut hosts = headers.get_all(header::HOST).into_iter();
    let host = hosts.next()?.to_str().ok()?;
    let is_one = hosts.next().is_none() && uri.authority().map(Authority::as_str).is_none_or(|asked| asked == host);
    (is_one && is_here(host)).then_some(host)
}

fn is_here(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|here| {
        let (name, port) = host.split_at_checked(here.len()).unwrap_or(("", ""));
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        name.eq_ignore_ascii_case(here) && is_port && !port.contains('+')
    })
}

/// Compares two texts in constant time, so timing does not reveal where they differ.
fn equal_in_constant_time(one: &str, other: &str) -> bool {
    let differs = one.bytes().zip(other.bytes()).fold(0, |differs, (one, other)| differs | (one ^ other));
    one.len() == other.len() && differs == 0
}

/// Returns the first value of this name in a query.
pub(crate) fn query(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
}

/// Decodes a query value: `a%20b+c` becomes `a b c`. Invalid UTF-8 becomes �, and a `%` without two hex digits stays.
fn decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).map(|digit| digit as u8);
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, digit(tail.first()), digit(tail.get(1))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                rest = &tail[2..];
            }
            (b'+', ..) => out.push(b' '),
            (other, ..) => out.push(*other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, Request};

    use super::*;

    fn pass() -> Pass {
        Pass { token: "0123456789abcdef".to_owned(), cookie: "sweep-80".to_owned() }
    }

    /// Returns the status of a request with these headers: 200 if it is answered, 303 if it gets the cookie.
    fn status(method: &str, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_str(value).unwrap());
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        match pass().judge(&parts.method, &parts.uri, &parts.headers) {
            Verdict::Admitted => 200,
            Verdict::SetsCookie => 303,
            Verdict::Refused(status, why) => {
                assert!(why.ends_with('.'), "{why}");
                status.as_u16()
            }
        }
    }

    const KNOWN: (&str, &str) = ("cookie", "a=b; sweep-80=0123456789abcdef");

    #[test]
    fn only_loopback_names_mean_this_machine() {
        for host in ["localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:80"] {
            assert_eq!(status("GET", "/", &[("host", host), KNOWN]), 200, "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.",
            "localhost.evil.example",
            "localhost:",
            "localhost:x",
            "localhost:+1",
            "localhost:65536",
            "127.0.0.1.evil.example",
            "127.0.0.2",
            "0.0.0.0",
            "::1",
            "[::2]:80",
            "x@localhost",
            "localhost:1:2",
        ] {
            assert_eq!(status("GET", "/", &[("host", host), KNOWN]), 403, "{host}");
        }
        assert_eq!(status("GET", "/", &[KNOWN]), 403);
        assert_eq!(status("GET", "/", &[("host", "localhost"), ("host", "localhost"), KNOWN]), 403);
        assert_eq!(status("GET", "http://localhost/", &[("host", "localhost"), KNOWN]), 200);
        assert_eq!(status("GET", "http://evil.example/", &[("host", "localhost"), KNOWN]), 403);
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let of = |origin| status("GET", "/", &[("host", "127.0.0.1:80"), ("origin", origin), KNOWN]);
        assert_eq!(of("http://127.0.0.1:80"), 200);
        for origin in
            ["null", "", "http://127.0.0.1", "http://127.0.0.1:81", "https://127.0.0.1:80", "http://evil.example"]
        {
            assert_eq!(of(origin), 403, "{origin}");
        }
    }

    #[test]
    fn the_token_is_required() {
        let host = ("host", "localhost:80");
        assert_eq!(status("GET", "/?token=0123456789abcdef", &[host]), 303);
        assert_eq!(status("GET", "/?a=b&token=0123456789abcde%66", &[host]), 303);
        for uri in [
            "/",
            "/?token=",
            "/?token=0123456789abcdeF",
            "/?token=0123456789abcde",
            "/status?token=0123456789abcdef",
            "/no",
        ] {
            assert_eq!(status("GET", uri, &[host]), 403, "{uri}");
        }
        for cookie in ["", "sweep-80=", "sweep-80=0123456789abcdee", "sweep-81=0123456789abcdef", "0123456789abcdef"] {
            assert_eq!(status("GET", "/", &[host, ("cookie", cookie)]), 403, "{cookie}");
        }
    }

    #[test]
    fn only_get_and_head_are_allowed() {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"] {
            assert_eq!(status(method, "/", &[("host", "localhost"), KNOWN]), 405, "{method}");
        }
        assert_eq!(status("HEAD", "/", &[("host", "localhost"), KNOWN]), 200);
    }

    #[test]
    fn tokens_are_long_and_differ() {
        let [one, other] = [(); 2].map(|()| Pass::new(80).unwrap());
        assert_eq!(one.token.len(), 32);
        assert_ne!(one.token, other.token);
        assert_eq!(one.cookie(), format!("sweep-80={}; HttpOnly; SameSite=Strict; Path=/", one.token));
    }

    #[test]
    fn queries_are_decoded() {
        let of = |text| query(text, "sweep");
        assert_eq!(of("a=1&sweep=x%2Fy+%c3%bc&sweep=z").as_deref(), Some("x/y ü"));
        assert_eq!((of("sweep").as_deref(), of("sweeps=1"), of("")), (Some(""), None, None));
        assert_eq!(
            (of("sweep=%").as_deref(), of("sweep=%f").as_deref(), of("sweep=%ff").as_deref()),
            (Some("%"), Some("%f"), Some("�"))
        );
    }
}
