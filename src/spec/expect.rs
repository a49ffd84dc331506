//! Expectations: `mode_score(D2GAN, best) > mode_score(GAN, best)` or `rate(modes_covered == 8, D2GAN) > 0.4`, checked
//! against the results once a sweep has ended.

use super::error::Mistakes;
use super::metric::{Measure, Metric};
use super::relation::Relation;
use super::yaml::Node;

/// A comparison of two terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// The text in the file.
    pub text: String,
    /// The left term.
    pub left: Term,
    /// The expected relation.
    pub relation: Relation,
    /// The right term.
    pub right: Term,
}

/// One side of an expectation.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A number.
    Number(f64),
    /// The scores of a variant's jobs at the last step, aggregated.
    Score {
        /// The score.
        metric: Measure,
        /// The variant.
        variant: String,
        /// How the jobs' scores are aggregated.
        aggregate: Aggregate,
    },
    /// The fraction of a variant's jobs whose score at the last step satisfies a comparison.
    Rate {
        /// The score.
        metric: Measure,
        /// The relation.
        relation: Relation,
        /// The number to compare with; finite.
        number: f64,
        /// The variant.
        variant: String,
    },
}

impl Term {
    /// Returns the score and the variant; `None` for a number.
    pub fn of(&self) -> Option<(Measure, &str)> {
        match self {
            Term::Number(_) => None,
            Term::Score { metric, variant, .. } | Term::Rate { metric, variant, .. } => Some((*metric, variant)),
        }
    }
}

/// The word that starts a rate.
const RATE: &str = "rate";

/// How the scores of a variant's jobs are aggregated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// The best, by the score's direction.
    Best,
    /// The mean.
    Mean,
    /// The median.
    Median,
}

impl Aggregate {
    /// All aggregates.
    pub const ALL: [Aggregate; 3] = [Aggregate::Best, Aggregate::Mean, Aggregate::Median];

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Aggregate::Best => "best",
            Aggregate::Mean => "mean",
            Aggregate::Median => "median",
        }
    }
}

impl Expect {
    /// Returns both terms.
    pub fn terms(&self) -> [&Term; 2] {
        [&self.left, &self.right]
    }

    /// Reads one line of `expect:`; `None` after a mistake, which is reported.
    pub(super) fn read(
        node: &Node,
        path: &str,
        (variants, own): (&[&str], &[Measure]),
        mistakes: &mut Mistakes,
    ) -> Option<Expect> {
        let mut parser = Parser { node, path, variants, own, mistakes };
        let Some(text) = node.text() else {
            parser.malformed();
            return None;
        };
        let (left, rest) = parser.term(text)?;
        let Some((relation, rest)) = Relation::strip(rest.trim_start()) else {
            parser.malformed();
            return None;
        };
        let (right, rest) = parser.term(rest)?;
        let is_comparison = match (&left, &right) {
            (Term::Number(_), Term::Number(_)) => false,
            (Term::Score { .. }, Term::Rate { .. }) | (Term::Rate { .. }, Term::Score { .. }) => false,
            (Term::Rate { .. }, Term::Number(share)) | (Term::Number(share), Term::Rate { .. }) => {
                if !(0.0..=1.0).contains(share) {
                    let message = format!("a rate is compared with a fraction from 0 to 1, found {share}");
                    let help = "for example, four jobs in ten are 0.4";
                    parser.mistakes.advise(path, &node.span, message, help);
                    return None;
                }
                true
            }
            (Term::Score { .. }, Term::Number(_) | Term::Score { .. }) | (Term::Number(_), Term::Score { .. }) => true,
            (Term::Rate { .. }, Term::Rate { .. }) => true,
        };
        if !rest.trim().is_empty() || !is_comparison {
            parser.malformed();
            return None;
        }
        Some(Expect { text: text.to_owned(), left, relation, right })
    }
}

struct Parser<'a> {
    node: &'a Node,
    path: &'a str,
    variants: &'a [&'a str],
    /// The scores of the user's own trainers.
    own: &'a [Measure],
    mistakes: &'a mut Mistakes,
}

impl Parser<'_> {
    fn malformed(&mut self) {
        let (found, text) = (self.node.describe(), self.node.text().unwrap_or_default());
        let help = if text.matches('(').count() == text.matches(')').count() {
            "write `score(VARIANT, best | mean | median) > …`, with a term like it or a number on the other side, or \
             `rate(score == 8, VARIANT) > …`, with another rate or a fraction on the other side"
        } else {
            "a parenthesis is not closed; inside a list in brackets, put each expectation in quotes, because commas \
            separate the items: `[\"score(A, best) > 1\"]`"
        };
        self.mistakes.advise(
            self.path,
            &self.node.span,
            format!("expected a comparison of scores, found {found}"),
            help,
        );
    }

    /// Returns the term at the start of `text`, and the rest.
    fn term<'t>(&mut self, text: &'t str) -> Option<(Term, &'t str)> {
        let text = text.trim_start();
        let (word, rest) = text.split_at(word_end(text));
        if let Ok(number) = word.parse::<f64>()
            && number.is_finite()
        {
            return Some((Term::Number(number), rest));
        }
        let Some(inner) = rest.trim_start().strip_prefix('(').map(str::trim_start) else {
            self.malformed();
            return None;
        };
        // A score of the user's own may also be called `rate`.
        let compares = || Relation::strip(inner[word_end(inner)..].trim_start()).is_some();
        if word == RATE && (self.metric(RATE).is_none() || compares()) {
            return self.rate(inner);
        }
        let metric = self.known_metric(word);
        let (variant, rest) = self.variant(inner)?;
        let (aggregate, rest) = match rest.strip_prefix(',') {
            None => (Some(Aggregate::Mean), rest),
            Some(rest) => {
                let Some(end) = rest.find(')') else {
                    self.malformed();
                    return None;
                };
                let word = rest[..end].trim();
                let aggregate = Aggregate::ALL.into_iter().find(|aggregate| aggregate.name() == word);
                if aggregate.is_none() {
                    let known = Aggregate::ALL.map(Aggregate::name);
                    self.mistakes.unknown(self.path, &self.node.span, "an aggregate", word, &known);
                }
                (aggregate, &rest[end..])
            }
        };
        let rest = self.closed(rest)?;
        Some((Term::Score { metric: metric?, variant: variant?, aggregate: aggregate? }, rest))
    }

    /// Parses what follows `rate(`: `modes_covered == 8, VARIANT)`.
    fn rate<'t>(&mut self, inner: &'t str) -> Option<(Term, &'t str)> {
        let (word, rest) = inner.split_at(word_end(inner));
        let asked = Relation::strip(rest.trim_start()).and_then(|(relation, rest)| {
            let rest = rest.trim_start();
            let (number, rest) = rest.split_at(word_end(rest));
            let number = number.parse::<f64>().ok().filter(|number| number.is_finite())?;
            Some((relation, number, rest.trim_start().strip_prefix(',')?.trim_start()))
        });
        let Some((relation, number, rest)) = asked else {
            self.malformed();
            return None;
        };
        let metric = self.known_metric(word);
        let (variant, rest) = self.variant(rest)?;
        let rest = self.closed(rest)?;
        Some((Term::Rate { metric: metric?, relation, number, variant: variant? }, rest))
    }

    /// Returns the score with this name.
    fn metric(&self, name: &str) -> Option<Measure> {
        let own = self.own.iter().find(|own| own.name() == name).copied();
        Metric::find(name).map(Measure::Known).or(own)
    }

    /// Like [`Parser::metric`], but reports a mistake if there is none.
    fn known_metric(&mut self, name: &str) -> Option<Measure> {
        let metric = self.metric(name);
        if metric.is_none() {
            let known: Vec<&str> =
                Metric::ALL.map(Metric::name).into_iter().chain(self.own.iter().map(|own| own.name())).collect();
            self.mistakes.unknown(self.path, &self.node.span, "a score", name, &known);
        }
        metric
    }

    /// Returns the variant at the start of `text` (`None` if unknown), and the rest.
    fn variant<'t>(&mut self, text: &'t str) -> Option<(Option<String>, &'t str)> {
        // A name may contain any character, so the longest known name takes precedence over the next comma.
        let ends = |rest: &str| rest.trim_start().starts_with([',', ')']);
        let known = self.variants.iter().filter(|name| text.strip_prefix(**name).is_some_and(ends));
        let variant = known.max_by_key(|name| name.len()).copied();
        let Some(name) = variant.or_else(|| text.find([',', ')']).map(|end| text[..end].trim_end())) else {
            self.malformed();
            return None;
        };
        if variant.is_none() {
            self.mistakes.unknown(self.path, &self.node.span, "a variant of this file", name, self.variants);
        }
        Some((variant.map(str::to_owned), text[name.len()..].trim_start()))
    }

    /// Returns what follows the closing parenthesis at the start of `text`.
    fn closed<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let rest = text.strip_prefix(')');
        if rest.is_none() {
            self.malformed();
        }
        rest
    }
}

/// Returns where the name or number at the start of `text` ends.
fn word_end(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || "_.+-".contains(c))).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Content;

    fn read(text: &str) -> Option<Expect> {
        let node = Node { span: 0..text.len(), content: Content::Scalar { text: text.to_owned(), plain: true } };
        let mut mistakes = Mistakes::default();
        let expect = Expect::read(&node, "expect[0]", (&["GAN", "D2GAN", "D2GAN (α, β > 0.1)"], &[]), &mut mistakes);
        assert_eq!(expect.is_none(), mistakes.len() > 0, "{text}");
        expect
    }

    #[test]
    fn terms_are_read() {
        let score = |metric: Metric, variant: &str, aggregate| Term::Score {
            metric: metric.into(),
            variant: variant.to_owned(),
            aggregate,
        };
        let expect = read("mode_score(D2GAN, best) > mode_score( GAN ,median )").unwrap();
        assert_eq!(expect.left, score(Metric::ModeScore, "D2GAN", Aggregate::Best));
        assert_eq!(expect.right, score(Metric::ModeScore, "GAN", Aggregate::Median));
        assert_eq!(expect.relation, Relation::Greater);
        let expect = read("modes_covered(D2GAN (α, β > 0.1)) >= 7.5").unwrap();
        assert_eq!(expect.left, score(Metric::ModesCovered, "D2GAN (α, β > 0.1)", Aggregate::Mean));
        assert_eq!((expect.relation, expect.right), (Relation::GreaterOrEqual, Term::Number(7.5)));
        assert!(read("-1e-3 < frechet(GAN)").is_some());
    }

    #[test]
    fn rates_are_read() {
        let rate = |metric: Metric, relation, number, variant: &str| Term::Rate {
            metric: metric.into(),
            relation,
            number,
            variant: variant.to_owned(),
        };
        let expect = read("rate(modes_covered == 8, D2GAN (α, β > 0.1)) > rate( wasserstein<=-1e-1 ,GAN )").unwrap();
        assert_eq!(expect.left, rate(Metric::ModesCovered, Relation::Equal, 8.0, "D2GAN (α, β > 0.1)"));
        assert_eq!(expect.right, rate(Metric::Wasserstein, Relation::LessOrEqual, -0.1, "GAN"));
        assert_eq!(
            (expect.relation, expect.right.of()),
            (Relation::Greater, Some((Metric::Wasserstein.into(), "GAN")))
        );
        assert!(read("0.4 >= rate(modes_covered != 0, GAN)").is_some());
        for text in [
            "rate(modes_covered == 8, GAN)",
            "rate(modes_covered == 8, GAN) > 40",
            "rate(modes_covered == 8, GAN) > -0.1",
            "rate(modes_covered == 8, GAN) > modes_covered(GAN)",
            "modes_covered(GAN) < rate(modes_covered == 8, GAN)",
            "rate(modes_covered == 8, Gan) > 0.4",
            "rate(modes_covered == 8, GAN, best) > 0.4",
            "rate(modes_covered == 8) > 0.4",
            "rate(modes_covered == all, GAN) > 0.4",
            "rate(modes_covered == inf, GAN) > 0.4",
            "rate(modes_covered, GAN) > 0.4",
            "rate(modes == 8, GAN) > 0.4",
            "rate(GAN) > 0.4",
            "rate > 0.4",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn everything_else_is_a_mistake() {
        for text in [
            "",
            "mode_score(GAN)",
            "1 < 2",
            "mode_score(GAN) > ",
            "mode_score(GAN > 1",
            "mode_score(GAN, worst) > 1",
            "mode_scores(GAN) > 1",
            "mode_score(Gan) > 1",
            "mode_score(GAN) > 1 2",
            "mode_score(GAN, best",
            "mode_score(",
            "(",
            "nan < mode_score(GAN)",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_comma_in_a_list_between_brackets_is_explained() {
        let text =
            "sweep: s\ndataset: gaussians\ntrain: {steps: 10}\nvariants: [{name: A, objective: gan}]\nexpect: [LINE]\n";
        let parse = |line: &str| crate::sweep::Sweep::parse("f", &text.replace("LINE", line));
        let errors = parse("wasserstein(A, mean) < 1").unwrap_err();
        let help = errors.mistakes[0].help.as_deref().unwrap();
        assert!(errors.mistakes.len() == 2 && help.contains("`[\"score(A, best) > 1\"]`"), "{errors}");
        assert!(parse("\"wasserstein(A, mean) < 1\"").is_ok());
    }
}
