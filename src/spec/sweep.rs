//! The sweep file as written: its variants, and what each sets and sweeps.
//!
//! ```yaml
//! sweep: alpha-beta                   # the name, in the database and in reports
//! dataset: gaussians                  # or mnist, fashion_mnist, mnist_1k, cifar10, stl10, {gaussians: {layout: grid,
//! side: 5, …}},
//!                                     # {name: images, path: FOLDER, size: 32}, {name: imagenet32, path: FOLDER},
//!                                     {name: npy, path: FILE}
//! seeds: 3                            # a count, a list: [0, 1, 2], or {first: 100, count: 3}
//! model: {generator: [128, 128], discriminator: [128], noise: 256}     # or layers: discriminator: [{linear: 128},
//! relu, {linear: 1}]
//! train: {steps: 5000, batch: 512, lr: 2e-4}
//! score: {every: 1000, samples: 10000}
//! variants:
//!   - name: D2GAN
//!     objective: d2gan
//!     grid: {alpha: [0.1, 0.2], beta: [0.1, 0.2]}
//!     exclude: [beta > alpha]         # drops the points for which one of these conditions holds
//!   - name: GAN
//!     objective: gan
//!     train: {steps: 10000}           # overrides only this key
//!     grid: {optimizer: [adam, sgd], momentum: [0, 0.9], lr: [1e-4, 1e-3]}
//!     when: {lr: {optimizer: sgd}}    # swept only if this holds; otherwise as set above
//! expect:
//!   - modes_covered(D2GAN, best) > modes_covered(GAN, best)
//! prune: {metric: wasserstein, rule: halving, first: 1000}     # see the module `prune`
//! stop: [modes_covered < 2 for 3]                               # see the module `stop`
//! published:                          # figures of others, shown next to these in reports
//!   - {variant: GAN, metric: modes_covered, value: 6.3, error: 0.5, n: 10, source: "Lin et al. 2018, Table 1, σ =
//!     0.01"}
//! run: {retries: 2, backoff: 1s, job_time: 6h, run_time: 2d, max_failures: 10, on_max_failures: finish}     # all
//! optional
//! ```
//!
//! The keys of a job are those of [`super::keys`]. A variant's settings override the file's, and `lr_generator`
//! overrides `lr` on the same level. Swept values override set ones, unless a variant sets a key that only the file
//! sweeps. The file's `grid` applies to every variant, key by key. A variant's `zip`, `random`, `exclude` and `when`
//! replace the file's. A file without `variants` is a single variant. A swept key that has no effect (`momentum` under
//! Adam) is not swept there. Axes with a `when` come after the others. See the modules `axes` and `condition` for their
//! syntax.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::axes::Axis;
use super::condition::Condition;
use super::error::{Mistakes, Outside, SpecErrors};
use super::expect::Expect;
use super::from::From;
use super::level::{Level, TRAINER, items, join, level};
use super::merge::merge;
use super::metric::Measure;
use super::parts;
use super::policy::Policy;
use super::prune;
use super::published::Published;
use super::race::Race;
use super::search::{self, Given, Search};
use super::settings::{Place, Settings};
use super::stop::Stop;
use super::text::acts;
use super::trainer::{Trainer, Written, directions};
use super::unused::Said;
use super::vocabulary::{self, Vocabulary};
use super::yaml::{self, Content, Name, Node};

/// A sweep file that has been read.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The value of `sweep:`.
    pub name: String,
    pub(super) file: String,
    pub(super) text: Arc<str>,
    pub(super) variants: Vec<Variant>,
    /// What the file sets for all variants.
    pub(super) said: Vec<Said>,
    pub(super) expects: Vec<(Expect, Place)>,
    pub(super) published: Vec<(Published, Place)>,
    /// The value of `run:`.
    pub policy: Policy,
    /// When to check whether more seeds are needed, if `seeds` declares looks.
    pub race: Option<Race>,
    pub(super) prune: Option<prune::Declared>,
    pub(super) stops: Vec<(Stop, Place)>,
    /// The state of searches, by variant.
    pub(super) given: BTreeMap<String, Given>,
    /// The file's `search` and `from` if they apply to no variant.
    pub(super) idle: Vec<(&'static str, Place)>,
}

/// One variant, merged with what the file says.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    pub name: String,
    pub place: Place,
    pub settings: Settings,
    /// What the variant sets itself.
    pub said: Vec<Said>,
    pub seeds: Vec<u64>,
    pub axes: Vec<Swept>,
    pub exclude: Vec<Condition>,
    /// The search that finds its points, if it has one.
    pub sought: Option<search::Declared>,
    pub search: Option<Search>,
    /// Where its cells were picked, if they were.
    pub from: Option<From>,
    /// Whether its cells are not known yet.
    pub is_open: bool,
}

/// An axis of a variant.
#[derive(Clone, Debug)]
pub(super) struct Swept {
    pub axis: Axis,
    /// Swept only if all of these hold.
    pub when: Vec<Condition>,
    /// Whether the variant itself declares it, and not the file.
    pub own: bool,
}

impl Sweep {
    /// Reads a sweep file. `file` is its name, for messages. Paths of data sets are not looked up, so jobs that use
    /// them are left out.
    ///
    /// # Errors
    ///
    /// All mistakes in the file, including those that only show in its jobs, which [`Sweep::expand`] reports if there
    /// are no others.
    pub fn parse(file: &str, text: &str) -> Result<Sweep, SpecErrors> {
        Sweep::read(file, text, Mistakes::default())
    }

    /// Like [`Sweep::parse`], but looks up data sets with a path and cells of other sweeps, which their jobs depend on.
    ///
    /// # Errors
    ///
    /// Those of [`Sweep::parse`], and those of `outside`.
    pub fn parse_looking(file: &str, text: &str, outside: Rc<dyn Outside>) -> Result<Sweep, SpecErrors> {
        Sweep::read(file, text, Mistakes::looking(outside))
    }

    fn read(file: &str, text: &str, mut mistakes: Mistakes) -> Result<Sweep, SpecErrors> {
        let source: Arc<str> = Arc::from(text);
        mistakes.text = Arc::clone(&source);
        let root = match yaml::load(text) {
            Ok(root) => Some(root),
            Err(error) => {
                mistakes.syntax(text, error);
                None
            }
        };
        mistakes.vocabulary.named = Arc::new(root.as_ref().map(vocabulary::named).unwrap_or_default());
        let Some(entries) = root.as_ref().and_then(|root| parts::entries(root, "", &mut mistakes)) else {
            mistakes.blame_spaces(text);
            return Err(mistakes.error(file, &source));
        };
        if entries.is_empty() {
            let help = "a sweep file needs at least `sweep`, `dataset`, `objective` and `train: {steps: …}`";
            mistakes.advise("", &(0..0), "the file is empty", help);
            return Err(mistakes.error(file, &source));
        }
        let sweep = read(file, &source, entries, &mut mistakes);
        if mistakes.len() > 0 {
            sweep.expand_into(&mut mistakes);
            mistakes.blame_spaces(text);
        }
        mistakes.or(file, &source, sweep)
    }
}

impl Sweep {
    /// Returns the expectations without expanding their jobs.
    pub fn expects(&self) -> impl Iterator<Item = &Expect> {
        self.expects.iter().map(|(expect, _)| expect)
    }

    /// Returns the score that pruning compares cells by, if the file has `prune`.
    pub fn pruned_by(&self) -> Option<Measure> {
        self.prune.as_ref().map(|declared| declared.prune.metric)
    }

    /// Returns the searches of its variants, in their order.
    pub fn searches(&self) -> impl Iterator<Item = &Search> {
        self.variants.iter().filter_map(|variant| variant.search.as_ref())
    }

    /// Sets the state of a variant's search.
    pub fn give(&mut self, variant: &str, given: Given) {
        self.given.insert(variant.to_owned(), given);
    }

    /// Returns the variants whose cells were picked in another sweep.
    pub fn picked_from(&self) -> impl Iterator<Item = (&str, &From)> {
        self.variants.iter().filter_map(|variant| Some((variant.name.as_str(), variant.from.as_ref()?)))
    }

    /// Returns the published figures for its variants.
    pub fn published(&self) -> impl Iterator<Item = &Published> {
        self.published.iter().map(|(figure, _)| figure)
    }
}

fn read(file: &str, text: &Arc<str>, entries: &[(Name, Node)], mistakes: &mut Mistakes) -> Sweep {
    let find = |wanted: &str| entries.iter().find(|(name, _)| name.text == wanted);
    let start = || 0..0;

    let name = match find("sweep") {
        Some((_, node)) => named(node, "sweep", mistakes),
        None => {
            mistakes.advise("", &start(), "`sweep` is not set", "give the sweep a name: `sweep: my-first-sweep`");
            String::new()
        }
    };
    mistakes.sweep.clone_from(&name);
    let base_trainer = trainer(entries, "", mistakes);
    let written = match find("variants") {
        None => Vec::new(),
        Some((_, Node { content: Content::List(nodes), .. })) if !nodes.is_empty() => written(nodes, mistakes),
        Some((_, node)) => {
            let message = format!("expected a list of variants, found {}", node.describe());
            mistakes.advise("variants", &node.span, message, "write `- {name: GAN, objective: gan}` for each variant");
            Vec::new()
        }
    };
    let whole = find("variants").is_none();
    // If a trainer has a mistake, its parameters are not known.
    let mut of = |own: &SaidTrainer| {
        Written::over(own.as_ref().ok()?.as_ref(), base_trainer.as_ref().ok()?.as_ref(), mistakes).ok()
    };
    let trainers: Vec<Option<Option<Arc<Trainer>>>> =
        if whole { vec![of(&Ok(None))] } else { written.iter().map(|written| of(&written.trainer)).collect() };
    let bases = match trainers.iter().flatten().next() {
        Some(_) => Bases::read(entries, trainers.iter().flatten(), mistakes),
        // Without variants, the file itself can still have mistakes.
        None => Bases::read(entries, of(&Ok(None)).iter(), mistakes),
    };
    let mut variants: Vec<Variant> = Vec::new();
    if let (true, Some(trainer)) = (whole, trainers.first().and_then(Option::as_ref)) {
        let span = find("objective").or_else(|| find("trainer")).map_or_else(start, |(name, _)| name.span.clone());
        let place = Place { path: "".into(), span };
        let objective = find("objective").and_then(|(_, node)| node.text()).unwrap_or("variant");
        let name = if trainer.is_some() { name.as_str() } else { objective }.to_owned();
        search::refuse(&name, &place, mistakes);
        mistakes.vocabulary = Vocabulary::of(trainer.clone(), Arc::clone(&mistakes.vocabulary.named));
        variants.push(merge(&Level::default(), bases.of(trainer), (name, place), trainer, true, mistakes));
    }
    for (Nodes { at, entries, span, .. }, trainer) in written.iter().zip(&trainers).filter(|_| !whole) {
        let Some(trainer) = trainer else { continue };
        let variant = variant(bases.of(trainer), (entries, span), &format!("variants[{at}]"), trainer, mistakes);
        if variants.iter().any(|other| other.name == variant.name) {
            let message = format!("two variants have the name `{}`", variant.name);
            mistakes.advise(&*variant.place.path, &variant.place.span, message, "give each its own `name`");
        }
        variants.push(variant);
    }
    let reported = variants.iter().filter_map(|variant| Some((&**variant.settings.trainer.as_ref()?, &variant.place)));
    let reported = directions(reported, mistakes);
    for variant in &mut variants {
        variant.search = variant.sought.as_ref().and_then(|declared| declared.of(variant, &reported, mistakes));
    }

    let names: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
    // If a trainer has a mistake, nothing is known about its variant.
    let about = |wanted: &str| find(wanted).filter(|_| trainers.iter().all(Option::is_some));
    let mut expects = Vec::new();
    if let Some((_, node)) = about("expect") {
        for (at, node) in items(node, "expect", "a list of comparisons", mistakes).iter().enumerate() {
            let path = format!("expect[{at}]");
            if let Some(expect) = Expect::read(node, &path, (&names, &reported), mistakes) {
                expects.push((expect, Place { path: path.into(), span: node.span.clone() }));
            }
        }
    }
    let published = about("published").map(|(_, node)| Published::read_all(node, (&names, &reported), mistakes));
    // A file without variants is a single variant, so its settings belong to that one.
    let said = if whole { Vec::new() } else { bases.said() };
    let race = bases.0.first().and_then(|(_, base)| base.race.clone());
    if let (Some((name, _)), true) = (find("seeds"), race.is_some() && variants.len() < 2) {
        let help = "write the variants to compare under `variants:`, or set the number of seeds: `seeds: 10`";
        mistakes.advise("seeds", &name.span, "looks compare variants, but there is only one", help);
    }
    let policy = find("run").map_or_else(Policy::default, |(_, node)| Policy::read(node, mistakes));
    let prune = about("prune").and_then(|(name, node)| {
        if race.is_some() {
            let help = "prune cells in one file, and compare the remaining ones with looks in another";
            mistakes.advise("prune", &name.span, "`prune` and `seeds: {looks: …}` cannot be combined", help);
        }
        if variants.iter().any(|variant| variant.sought.is_some()) {
            let help = "a search already spends few trials on bad points; use `prune` in another file";
            mistakes.advise("prune", &name.span, "`prune` and `search` cannot be combined", help);
        }
        prune::Declared::read(node, (&names, &reported), mistakes)
    });
    let stops = about("stop").map(|(_, node)| Stop::read_all(node, &reported, mistakes)).unwrap_or_default();
    let (file, text, published) = (file.to_owned(), Arc::clone(text), published.unwrap_or_default());
    let (given, idle) = (BTreeMap::new(), bases.idle(&variants));
    Sweep { name, file, text, variants, said, expects, published, policy, race, prune, stops, given, idle }
}

/// Keys that only a file has, and those that are read separately.
const HANDLED: [&str; 7] = ["sweep", "variants", "expect", "published", "run", "prune", "stop"];

/// The trainer that a file or a variant declares: `None` if none, an error after a mistake.
type SaidTrainer = Result<Option<Written>, ()>;

fn trainer(entries: &[(Name, Node)], path: &str, mistakes: &mut Mistakes) -> SaidTrainer {
    let Some((_, node)) = entries.iter().find(|(name, _)| name.text == TRAINER) else { return Ok(None) };
    Written::read(node, &join(path, TRAINER), mistakes).map(Some).ok_or(())
}

/// A variant as it stands in the file.
struct Nodes<'a> {
    at: usize,
    entries: &'a [(Name, Node)],
    span: Range<usize>,
    trainer: SaidTrainer,
}

fn written<'a>(nodes: &'a [Node], mistakes: &mut Mistakes) -> Vec<Nodes<'a>> {
    let mut found = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        let path = format!("variants[{at}]");
        if let Some(entries) = parts::entries(node, &path, mistakes) {
            let trainer = trainer(entries, &path, mistakes);
            found.push(Nodes { at, entries, span: node.span.clone(), trainer });
        }
    }
    found
}

/// What the file says for all variants, as read for each of their trainers.
struct Bases(Vec<(Option<Arc<Trainer>>, Level)>);

impl Bases {
    fn read<'a>(
        entries: &[(Name, Node)],
        trainers: impl Iterator<Item = &'a Option<Arc<Trainer>>>,
        mistakes: &mut Mistakes,
    ) -> Bases {
        let mut distinct: Vec<Option<Arc<Trainer>>> = Vec::new();
        for trainer in trainers {
            if !distinct.contains(trainer) {
                distinct.push(trainer.clone());
            }
        }
        let read = |trainer: &Option<Arc<Trainer>>| {
            let others = distinct.iter().filter(|other| *other != trainer).cloned().collect();
            let again = distinct.first() != Some(trainer);
            let named = Arc::clone(&mistakes.vocabulary.named);
            mistakes.vocabulary = Vocabulary { trainer: trainer.clone(), others, again, named };
            (trainer.clone(), level(entries, "", &HANDLED, mistakes))
        };
        Bases(distinct.iter().map(read).collect())
    }

    fn of(&self, trainer: &Option<Arc<Trainer>>) -> &Level {
        let found = self.0.iter().find(|(other, _)| other == trainer);
        &found.unwrap_or_else(|| unreachable!("read for each of them")).1
    }

    /// Returns the file's `search` and `from` if no variant uses them.
    fn idle(&self, variants: &[Variant]) -> Vec<(&'static str, Place)> {
        let Some((_, level)) = self.0.first() else { return Vec::new() };
        let search = level.search.as_ref().map(|search| &search.place);
        let is_sought =
            |place: &&Place| !variants.iter().any(|of| of.sought.as_ref().is_some_and(|of| of.place == **place));
        let from = level.from.as_ref().map(|from| &from.place);
        let search = search.filter(is_sought).map(|place| ("search", place.clone()));
        let from = from.filter(|_| variants.iter().all(|of| of.from.is_none())).map(|place| ("from", place.clone()));
        search.into_iter().chain(from).collect()
    }

    /// Returns what the file sets and sweeps, each key once.
    fn said(&self) -> Vec<Said> {
        let mut all: Vec<Said> = Vec::new();
        for said in self.0.iter().flat_map(|(_, level)| level.said().into_iter().chain(level.swept())) {
            if all.iter().all(|known| (&known.key, &known.place) != (&said.key, &said.place)) {
                all.push(said);
            }
        }
        all
    }
}

fn variant(
    base: &Level,
    (entries, span): (&[(Name, Node)], &Range<usize>),
    path: &str,
    trainer: &Option<Arc<Trainer>>,
    mistakes: &mut Mistakes,
) -> Variant {
    let find = |wanted: &str| entries.iter().find(|(name, _)| name.text == wanted);
    mistakes.vocabulary = Vocabulary::of(trainer.clone(), Arc::clone(&mistakes.vocabulary.named));
    let own = level(entries, path, &["name"], mistakes);
    if let (Some(_), Some((name, _))) = (base.race.as_ref().and(own.seeds.as_ref()), find("seeds")) {
        let help = "remove it: looks apply to all variants, which are compared on the same seeds";
        mistakes.advise(&*join(path, "seeds"), &name.span, "the file's `seeds` declares looks", help);
    }
    let (name, span) = match (find("name"), find("objective")) {
        (Some((_, node)), _) => {
            let place = Place { path: format!("{path}.name").into(), span: node.span.clone() };
            let name = named(node, &place.path, mistakes);
            search::refuse(&name, &place, mistakes);
            (name, node.span.clone())
        }
        (None, Some((key, node))) => (node.text().unwrap_or_default().to_owned(), key.span.clone()),
        (None, None) => {
            let start = span.start..span.start;
            mistakes.advise(path, &start, "`name` is not set", "give the variant a name: `name: GAN`");
            (String::new(), start)
        }
    };
    merge(base, &own, (name, Place { path: path.into(), span }), trainer, false, mistakes)
}

/// Reads a name: one line of at most 100 characters, without control characters.
fn named(node: &Node, path: &str, mistakes: &mut Mistakes) -> String {
    let ok = |text: &str| !text.trim().is_empty() && text.chars().count() <= 100 && !text.contains(acts);
    let rule = "expected a name of at most 100 characters";
    let message = match node.text() {
        Some(text) if ok(text) && !node.is_nothing() => return text.trim().to_owned(),
        Some(text) => match text.chars().find(|&c| acts(c)) {
            Some(c) => {
                format!("{rule} without control characters, found U+{:04X} in {}", c as u32, node.describe())
            }
            None => format!("{rule}, found {}", node.describe()),
        },
        None => format!("{rule}, found {}", node.describe()),
    };
    mistakes.add(path, &node.span, message);
    String::new()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn mutants_of_sweep_files() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sweeps");
        let texts = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        // Leaves out the file with 41,472 jobs, whose mistakes take long to find.
        let corpus: Vec<Vec<u8>> =
            texts.filter(|text| text.len() < 4000 && !text.starts_with(b"# The wide grid")).collect();
        assert!(corpus.len() > 5);
        // A mutant may have many jobs, but at most a million.
        sweep_fuzz::survive_within(1 << 30, &corpus, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            match Sweep::parse("fuzzed.yaml", &text) {
                Err(errors) => assert!(!errors.render(80, false).is_empty()),
                Ok(sweep) => drop(sweep),
            }
        });
    }
}
