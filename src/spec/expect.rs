//! Expectations: `mode_score(D2GAN, best) > mode_score(GAN, best)`, checked against the results when a sweep has ended.

use super::error::Mistakes;
use super::metric::{Measure, Metric};
use super::relation::Relation;
use super::yaml::Node;

/// A comparison of two terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// As the file has it.
    pub text: String,
    /// The left term.
    pub left: Term,
    /// How they should compare.
    pub relation: Relation,
    /// The right term.
    pub right: Term,
}

/// One side of an expectation.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A number.
    Number(f64),
    /// The scores of a variant at the last step, over all its jobs.
    Score {
        /// Which score.
        metric: Measure,
        /// Whose.
        variant: String,
        /// Which of them.
        aggregate: Aggregate,
    },
}

/// What is taken of the scores of a variant's jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// The best, by the direction of the score.
    Best,
    /// The mean.
    Mean,
    /// The median.
    Median,
}

impl Aggregate {
    /// Every aggregate.
    pub const ALL: [Aggregate; 3] = [Aggregate::Best, Aggregate::Mean, Aggregate::Median];

    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Aggregate::Best => "best",
            Aggregate::Mean => "mean",
            Aggregate::Median => "median",
        }
    }
}

impl Expect {
    /// Both terms.
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
        if !rest.trim().is_empty() || matches!((&left, &right), (Term::Number(_), Term::Number(_))) {
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
    /// Scores of trainers of the user's own.
    own: &'a [Measure],
    mistakes: &'a mut Mistakes,
}

impl Parser<'_> {
    fn malformed(&mut self) {
        let (found, text) = (self.node.describe(), self.node.text().unwrap_or_default());
        let help = if text.matches('(').count() == text.matches(')').count() {
            "write `score(VARIANT, best | mean | median) > …`, with another such term or a number on the other side"
        } else {
            "not all parentheses are closed; in a list between brackets, whose commas divide it, write each between quotes: `[\"score(A, best) > 1\"]`"
        };
        self.mistakes.advise(
            self.path,
            &self.node.span,
            format!("expected a comparison of scores, found {found}"),
            help,
        );
    }

    /// The term that `text` begins with, and the rest.
    fn term<'t>(&mut self, text: &'t str) -> Option<(Term, &'t str)> {
        let text = text.trim_start();
        let end = text.find(|c: char| !(c.is_alphanumeric() || "_.+-".contains(c))).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        if let Ok(number) = word.parse::<f64>()
            && number.is_finite()
        {
            return Some((Term::Number(number), rest));
        }
        let Some(inner) = rest.trim_start().strip_prefix('(').map(str::trim_start) else {
            self.malformed();
            return None;
        };
        let own = self.own.iter().find(|own| own.name() == word).copied();
        let metric = Metric::find(word).map(Measure::Known).or(own);
        if metric.is_none() {
            let known: Vec<&str> =
                Metric::ALL.map(Metric::name).into_iter().chain(self.own.iter().map(|own| own.name())).collect();
            self.mistakes.unknown(self.path, &self.node.span, "a score", word, &known);
        }
        // A name may hold any character, so the longest known name wins over the next comma.
        let ends = |rest: &str| rest.trim_start().starts_with([',', ')']);
        let known = self.variants.iter().filter(|name| inner.strip_prefix(**name).is_some_and(ends));
        let variant = known.max_by_key(|name| name.len()).copied();
        let Some(name) = variant.or_else(|| inner.find([',', ')']).map(|end| inner[..end].trim_end())) else {
            self.malformed();
            return None;
        };
        if variant.is_none() {
            self.mistakes.unknown(self.path, &self.node.span, "a variant of this file", name, self.variants);
        }
        let rest = inner[name.len()..].trim_start();
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
        let Some(rest) = rest.strip_prefix(')') else {
            self.malformed();
            return None;
        };
        Some((Term::Score { metric: metric?, variant: variant?.to_owned(), aggregate: aggregate? }, rest))
    }
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
