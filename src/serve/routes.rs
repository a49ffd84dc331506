//! The routes of the server.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{self, Stream};
use tokio::sync::{Semaphore, watch};

use super::cache::{Cache, Found};
use super::guard::{Pass, Verdict, from_elsewhere, query};
use super::page::{self, Page, Pages};
use super::reader::Reader;
use super::sample;
use super::status::Overview;
use sweep_store::StoreError;

/// The policy of answers that are not pages.
const STRICT: &str = "default-src 'none'; frame-ancestors 'none'";

/// Which revision of the database an answer shows. If it is not the newest, `Retry-After` says when to ask again.
const REVISION: HeaderName = HeaderName::from_static("sweep-revision");

/// The most event streams at a time (each keeps a file open), and the most sample sheets that are read at a time.
const STREAMS: usize = 64;
const READERS: usize = 4;

/// How often an idle event stream sends a line to show that the server is still there.
const ALIVE: Duration = Duration::from_secs(15);

/// State that all handlers share.
pub(crate) struct App {
    pub pass: Pass,
    pub reader: Reader,
    pub pages: Arc<dyn Pages>,
    /// Grows by one with each change.
    pub revision: watch::Receiver<u64>,
    /// Becomes true when the server stops.
    pub ends: watch::Receiver<bool>,
    made: Arc<Cache<Option<String>, Result<Page, String>>>,
    standing: Arc<Cache<(), Result<Overview, String>>>,
    streams: Arc<Semaphore>,
    readers: Semaphore,
}

impl App {
    pub(crate) fn new(
        pass: Pass,
        reader: Reader,
        pages: Arc<dyn Pages>,
        revision: watch::Receiver<u64>,
        ends: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let (made, standing) = (Cache::new(), Cache::new());
        let (streams, readers) = (Arc::new(Semaphore::new(STREAMS)), Semaphore::new(READERS));
        Arc::new(App { pass, reader, pages, revision, ends, made, standing, streams, readers })
    }
}

/// Returns the routes with their handlers.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(whole))
        .route("/main", get(main))
        .route("/status", get(status))
        .route("/events", get(events))
        .route("/sample/{job}/{step}", get(sample_sheet))
        .route("/live.js", get(async || file("text/javascript; charset=utf-8", include_str!("live.js"))))
        .route("/live.css", get(async || file("text/css; charset=utf-8", include_str!("live.css"))))
        // Browsers request this icon by themselves and would log its absence as an error.
        .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
        .fallback(async || words(StatusCode::NOT_FOUND, "There is no such page."))
        .layer(from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
}

async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut answer = match app.pass.judge(request.method(), request.uri(), request.headers()) {
        Verdict::Admitted => next.run(request).await,
        Verdict::SetsCookie => begin(&app.pass, request.headers()),
        Verdict::Refused(status, why) => words(status, &why),
    };
    if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    let headers = answer.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(STRICT));
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Gives a browser the cookie and redirects it to the address without the token, so the token stays out of the history.
fn begin(pass: &Pass, headers: &HeaderMap) -> Response {
    let mut answer = if from_elsewhere(headers) {
        // Another site started this request, so the browser would not send the cookie after a redirect. A page that
        // refreshes itself starts a request of its own.
        (
            [(HeaderName::from_static("refresh"), "0; url=/")],
            typed("text/html; charset=utf-8", "<a href=\"/\">sweep</a>"),
        )
            .into_response()
    } else {
        (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response()
    };
    if let Ok(cookie) = HeaderValue::from_str(&pass.cookie()) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

fn words(status: StatusCode, words: &str) -> Response {
    (status, typed("text/plain; charset=utf-8", &format!("{words}\n"))).into_response()
}

fn typed(kind: &'static str, text: &str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text.to_owned())
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Adds to `answer` which revision it shows.
fn of_revision<T>(found: &Found<T>, mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    headers.insert(REVISION, HeaderValue::from(found.revision));
    if let Some(again) = found.again {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(again.as_secs() + 1));
    }
    answer
}

/// Returns the progress of all sweeps.
async fn standing(app: &Arc<App>) -> Found<Result<Overview, String>> {
    let revision = *app.revision.borrow();
    let of = Arc::clone(app);
    let read = async move {
        let orchestrator = of.reader.place().orchestrator().await;
        let home = of.reader.place().home.display().to_string();
        match of.reader.store().await {
            // Nothing has run yet.
            Err(StoreError::Missing(_)) => Ok(Overview::empty(orchestrator, &home)),
            Err(error) => Err(error),
            Ok(store) => Overview::read(&store, orchestrator, &home).await,
        }
    };
    app.standing.get((), revision, || async { read.await.map_err(|error: StoreError| error.to_string()) }).await
}

async fn status(State(app): State<Arc<App>>) -> Response {
    let found = standing(&app).await;
    let answer = match &*found.value {
        Ok(standing) => typed("application/json", &standing.json).into_response(),
        Err(why) => words(StatusCode::SERVICE_UNAVAILABLE, why),
    };
    of_revision(&found, answer)
}

async fn whole(State(app): State<Arc<App>>, uri: Uri) -> Response {
    part_of(&app, &uri, |page| Some(page.html.clone())).await
}

async fn main(State(app): State<Arc<App>>, uri: Uri) -> Response {
    part_of(&app, &uri, |page| page.main().map(str::to_owned)).await
}

/// Returns `part` of the page of the requested sweep, or of the page of all sweeps.
async fn part_of(app: &Arc<App>, uri: &Uri, part: impl Fn(&Page) -> Option<String>) -> Response {
    let sweep = query(uri.query().unwrap_or_default(), "sweep");
    if let Some(name) = &sweep {
        // Names of sweeps that don't exist must not fill the cache.
        match &*standing(app).await.value {
            Ok(standing) if standing.sweeps.contains(name) => {}
            Ok(_) => return words(StatusCode::NOT_FOUND, "There is no sweep with this name."),
            Err(why) => return words(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }
    let revision = *app.revision.borrow();
    let (pages, name) = (Arc::clone(&app.pages), sweep.clone());
    let make = || async move {
        let made = tokio::task::spawn_blocking(move || pages.page(name.as_deref()).map(Page::live));
        made.await.unwrap_or_else(|_| Err("The page could not be made: this is a bug in sweep.".to_owned()))
    };
    let found = app.made.get(sweep, revision, make).await;
    let trouble;
    let (status, page) = match &*found.value {
        Ok(page) => (StatusCode::OK, page),
        Err(why) => {
            trouble = page::error_page(why);
            (StatusCode::SERVICE_UNAVAILABLE, &trouble)
        }
    };
    let answer = match (part(page), HeaderValue::from_str(&page.policy)) {
        (Some(text), Ok(policy)) => {
            let policy = [(header::CONTENT_SECURITY_POLICY, policy)];
            (status, policy, typed("text/html; charset=utf-8", &text)).into_response()
        }
        (None, _) | (_, Err(_)) => words(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The page has no <main>, or its policy is not valid: this is a bug in sweep.",
        ),
    };
    of_revision(&found, answer)
}

async fn sample_sheet(State(app): State<Arc<App>>, Path((job, step)): Path<(String, String)>) -> Response {
    let none = || words(StatusCode::NOT_FOUND, "There is no such sample sheet.");
    let Some((job, step)) = sample::asked(&job, &step) else { return none() };
    let Ok(_turn) = app.readers.acquire().await else { return none() };
    let path = match app.reader.store().await {
        Ok(store) => store.sample(job, step).await,
        Err(error) => Err(error),
    };
    match path {
        Ok(None) | Err(StoreError::Missing(_)) => none(),
        Err(error) => words(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        Ok(Some(path)) => {
            let home = app.reader.place().home.clone();
            let read = tokio::task::spawn_blocking(move || sample::read(&home, &path));
            match read.await.ok().flatten() {
                Some(bytes) => ([(header::CONTENT_TYPE, "image/png")], bytes).into_response(),
                None => none(),
            }
        }
    }
}

async fn events(State(app): State<Arc<App>>) -> Response {
    match Arc::clone(&app.streams).try_acquire_owned() {
        Ok(place) => {
            let news = news(app.revision.clone(), app.ends.clone(), place);
            Sse::new(news).keep_alive(KeepAlive::new().interval(ALIVE)).into_response()
        }
        Err(_) => words(StatusCode::SERVICE_UNAVAILABLE, "Too many browsers have this page open already."),
    }
}

/// Streams the current revision and each later one until the server stops. A slow client skips revisions in between.
/// `permit` lives as long as the stream.
fn news(
    revision: watch::Receiver<u64>,
    ends: watch::Receiver<bool>,
    permit: impl Send + 'static,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    stream::unfold((revision, ends, permit, true), |(mut revision, mut ends, permit, is_first)| async move {
        if !is_first {
            tokio::select! {
                changed = revision.changed() => changed.ok()?,
                _ = ends.wait_for(|ends| *ends) => return None,
            }
        }
        let now = *revision.borrow_and_update();
        let event = Event::default().event("revision").data(now.to_string());
        Some((Ok(event), (revision, ends, permit, false)))
    })
}
