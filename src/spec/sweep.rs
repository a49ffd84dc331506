//! The sweep file as written: which variants it has, and what each sets and sweeps.
//!
//! ```yaml
//! sweep: alpha-beta                   # the name, in the database and in reports
//! dataset: gaussians                  # or mnist, fashion_mnist, mnist_1k, cifar10, stl10, {gaussians: {layout: grid, side: 5, …}},
//!                                     # {name: images, path: FOLDER, size: 32}, {name: imagenet32, path: FOLDER}, {name: npy, path: FILE}
//! seeds: 3                            # a count, a list: [0, 1, 2], or {first: 100, count: 3}
//! model: {generator: [128, 128], discriminator: [128], noise: 256}     # or layer by layer: discriminator: [{linear: 128}, relu, {linear: 1}]
//! train: {steps: 5000, batch: 512, lr: 2e-4}
//! score: {every: 1000, samples: 10000}
//! variants:
//!   - name: D2GAN
//!     objective: d2gan
//!     grid: {alpha: [0.1, 0.2], beta: [0.1, 0.2]}
//!     exclude: [beta > alpha]         # drops the points where one of these conditions holds
//!   - name: GAN
//!     objective: gan
//!     train: {steps: 10000}           # overrides this key, and no other
//!     grid: {optimizer: [adam, sgd], momentum: [0, 0.9], lr: [1e-4, 1e-3]}
//!     when: {lr: {optimizer: sgd}}    # swept only where this holds; elsewhere as set above
//! expect:
//!   - modes_covered(D2GAN, best) > modes_covered(GAN, best)
//! prune: {metric: wasserstein, rule: halving, first: 1000}     # see the module `prune`
//! stop: [modes_covered < 2 for 3]                               # see the module `stop`
//! published:                          # figures of others, which reports show beside these; nothing is tested against them
//!   - {variant: GAN, metric: modes_covered, value: 6.3, error: 0.5, n: 10, source: "Lin et al. 2018, Table 1, σ = 0.01"}
//! run: {retries: 2, backoff: 1s, job_time: 6h, run_time: 2d, max_failures: 10, on_max_failures: finish}     # each may be left out
//! ```
//!
//! The keys of a job are those of [`super::keys`]. What a variant sets beats what the file sets; `lr_generator` beats `lr`
//! where both stand side by side. What is swept beats what is set, unless a variant sets a key that only the file sweeps. The
//! file's `grid` is every variant's, key by key; of `zip`, `random`, `exclude` and `when` a variant's own replaces the file's. A
//! file without `variants` is one variant. Where a swept key changes nothing (`momentum` under Adam), it is not swept there.
//! Axes with a `when` come after the others. The modules `axes` and `condition` say which forms these take.

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
    /// What `sweep:` says.
    pub name: String,
    pub(super) file: String,
    pub(super) text: Arc<str>,
    pub(super) variants: Vec<Variant>,
    /// What the file sets for all variants.
    pub(super) said: Vec<Said>,
    pub(super) expects: Vec<(Expect, Place)>,
    pub(super) published: Vec<(Published, Place)>,
    /// What `run:` says.
    pub policy: Policy,
    /// When to look whether more seeds are needed, where `seeds` says so.
    pub race: Option<Race>,
    pub(super) prune: Option<prune::Declared>,
    pub(super) stops: Vec<(Stop, Place)>,
    /// What is known of searches, by variant.
    pub(super) given: BTreeMap<String, Given>,
    /// The file's `search` and `from`, where they are for no variant.
    pub(super) idle: Vec<(&'static str, Place)>,
}

/// One variant, with what it has from the file as a whole.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    pub name: String,
    pub place: Place,
    pub settings: Settings,
    /// What it sets itself.
    pub said: Vec<Said>,
    pub seeds: Vec<u64>,
    pub axes: Vec<Swept>,
    pub exclude: Vec<Condition>,
    /// What seeks its cells, where something does.
    pub sought: Option<search::Declared>,
    pub search: Option<Search>,
    /// Where its cells were picked.
    pub from: Option<From>,
    /// Whether nobody knows its cells.
    pub is_open: bool,
}

/// An axis of a variant.
#[derive(Clone, Debug)]
pub(super) struct Swept {
    pub axis: Axis,
    /// Swept only where all of these hold.
    pub when: Vec<Condition>,
    /// From the variant itself, not from the file.
    pub own: bool,
}

impl Sweep {
    /// Reads a sweep file. `file` is its name, for messages. Paths of data sets stay open: their jobs are left out.
    ///
    /// # Errors
    ///
    /// All mistakes of the file, also those that only its jobs show (which [`Sweep::expand`] reports when there are no others).
    pub fn parse(file: &str, text: &str) -> Result<Sweep, SpecErrors> {
        Sweep::read(file, text, Mistakes::default())
    }

    /// As [`Sweep::parse`], for its jobs: those with a data set that has a path, and those of cells of another sweep, are only known when somebody looks
    /// at what is there.
    ///
    /// # Errors
    ///
    /// As [`Sweep::parse`], and what `outside` says.
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
            let help = "a sweep file has at least `sweep`, `dataset`, `objective` and `train: {steps: …}`";
            mistakes.advise("", &(0..0), "the file says nothing", help);
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
    /// What should hold in the end, without expanding the jobs that it is about.
    pub fn expects(&self) -> impl Iterator<Item = &Expect> {
        self.expects.iter().map(|(expect, _)| expect)
    }

    /// The score by which cells are compared that may be stopped early.
    pub fn pruned_by(&self) -> Option<Measure> {
        self.prune.as_ref().map(|declared| declared.prune.metric)
    }

    /// The searches of its variants, in their order.
    pub fn searches(&self) -> impl Iterator<Item = &Search> {
        self.variants.iter().filter_map(|variant| variant.search.as_ref())
    }

    /// Has the search of a variant come so far.
    pub fn give(&mut self, variant: &str, given: Given) {
        self.given.insert(variant.to_owned(), given);
    }

    /// The variants whose cells were picked in another sweep.
    pub fn picked_from(&self) -> impl Iterator<Item = (&str, &From)> {
        self.variants.iter().filter_map(|variant| Some((variant.name.as_str(), variant.from.as_ref()?)))
    }

    /// What others report of scores of its variants.
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
            mistakes.advise("variants", &node.span, message, "write `- {name: GAN, objective: gan}` for each");
            Vec::new()
        }
    };
    let whole = find("variants").is_none();
    // Of a trainer that is a mistake nobody knows what its parameters are.
    let mut of = |own: &SaidTrainer| {
        Written::over(own.as_ref().ok()?.as_ref(), base_trainer.as_ref().ok()?.as_ref(), mistakes).ok()
    };
    let trainers: Vec<Option<Option<Arc<Trainer>>>> =
        if whole { vec![of(&Ok(None))] } else { written.iter().map(|written| of(&written.trainer)).collect() };
    let bases = match trainers.iter().flatten().next() {
        Some(_) => Bases::read(entries, trainers.iter().flatten(), mistakes),
        // Where there is no variant, there are still the file's own mistakes.
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
    // Of variants whose trainers are mistakes nobody knows anything.
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
    // A file without variants is one itself, and what it says is that one's.
    let said = if whole { Vec::new() } else { bases.said() };
    let race = bases.0.first().and_then(|(_, base)| base.race.clone());
    if let (Some((name, _)), true) = (find("seeds"), race.is_some() && variants.len() < 2) {
        let help = "write the variants that are to be compared under `variants:`, or say how many seeds: `seeds: 10`";
        mistakes.advise("seeds", &name.span, "with one variant there is nothing to look at", help);
    }
    let policy = find("run").map_or_else(Policy::default, |(_, node)| Policy::read(node, mistakes));
    let prune = about("prune").and_then(|(name, node)| {
        if race.is_some() {
            let help = "stop cells early in one file, and compare those that are left with looks in another";
            mistakes.advise("prune", &name.span, "`prune` and `seeds: {looks: …}` do not go together", help);
        }
        if variants.iter().any(|variant| variant.sought.is_some()) {
            let help = "a search tries few bad points again; stop cells early in another file";
            mistakes.advise("prune", &name.span, "`prune` and `search` do not go together", help);
        }
        prune::Declared::read(node, (&names, &reported), mistakes)
    });
    let stops = about("stop").map(|(_, node)| Stop::read_all(node, &reported, mistakes)).unwrap_or_default();
    let (file, text, published) = (file.to_owned(), Arc::clone(text), published.unwrap_or_default());
    let (given, idle) = (BTreeMap::new(), bases.idle(&variants));
    Sweep { name, file, text, variants, said, expects, published, policy, race, prune, stops, given, idle }
}

/// What only a file has, and what is not read with its keys.
const HANDLED: [&str; 7] = ["sweep", "variants", "expect", "published", "run", "prune", "stop"];

/// What a file, or a variant, says of its trainer: nothing, or an error after a mistake.
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

/// What the file says of all variants, as each trainer of them reads it.
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

    /// The file's `search` and `from`, where no variant has them.
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

    /// What the file sets and sweeps, each once.
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
        let help = "leave it out: looks are of all variants, so that what is compared has the same seeds";
        mistakes.advise(&*join(path, "seeds"), &name.span, "the file says under `seeds` after how many to look", help);
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

/// A name: one line of at most 100 characters, none of which acts on others.
fn named(node: &Node, path: &str, mistakes: &mut Mistakes) -> String {
    let ok = |text: &str| !text.trim().is_empty() && text.chars().count() <= 100 && !text.contains(acts);
    let rule = "expected a name of at most 100 characters";
    let message = match node.text() {
        Some(text) if ok(text) && !node.is_nothing() => return text.trim().to_owned(),
        Some(text) => match text.chars().find(|&c| acts(c)) {
            Some(c) => {
                format!("{rule}, none of which moves or turns others, found U+{:04X} in {}", c as u32, node.describe())
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
        // Not the one of 41,472 jobs: what is wrong with it as a whole takes time to find.
        let corpus: Vec<Vec<u8>> =
            texts.filter(|text| text.len() < 4000 && !text.starts_with(b"# The wide grid")).collect();
        assert!(corpus.len() > 5);
        // A mutant may ask for many jobs, but for a million at most.
        sweep_fuzz::survive_within(1 << 30, &corpus, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            match Sweep::parse("fuzzed.yaml", &text) {
                Err(errors) => assert!(!errors.render(80, false).is_empty()),
                Ok(sweep) => drop(sweep),
            }
        });
    }
}
