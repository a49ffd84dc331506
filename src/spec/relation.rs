//! Comparisons, in `exclude:`, `when:` and `expect:`.

use std::cmp::Ordering;
use std::fmt;

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

impl Relation {
    /// All relations; those with two characters come before their own first character.
    pub const ALL: [Relation; 6] = [
        Relation::LessOrEqual,
        Relation::GreaterOrEqual,
        Relation::Equal,
        Relation::NotEqual,
        Relation::Less,
        Relation::Greater,
    ];

    /// Returns the relation as it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Relation::Less => "<",
            Relation::LessOrEqual => "<=",
            Relation::Greater => ">",
            Relation::GreaterOrEqual => ">=",
            Relation::Equal => "==",
            Relation::NotEqual => "!=",
        }
    }

    /// Returns the relation at the start of `text`, and the rest.
    pub fn strip(text: &str) -> Option<(Relation, &str)> {
        Relation::ALL.into_iter().find_map(|relation| text.strip_prefix(relation.sign()).map(|rest| (relation, rest)))
    }

    /// Returns the relation with its two sides exchanged.
    pub fn turned(self) -> Relation {
        match self {
            Relation::Less => Relation::Greater,
            Relation::LessOrEqual => Relation::GreaterOrEqual,
            Relation::Greater => Relation::Less,
            Relation::GreaterOrEqual => Relation::LessOrEqual,
            Relation::Equal => Relation::Equal,
            Relation::NotEqual => Relation::NotEqual,
        }
    }

    /// Returns whether it holds between two numbers; NaN is unequal to everything.
    pub fn holds(self, left: f64, right: f64) -> bool {
        let ordering = left.partial_cmp(&right);
        match self {
            Relation::Less => ordering == Some(Ordering::Less),
            Relation::LessOrEqual => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
            Relation::Greater => ordering == Some(Ordering::Greater),
            Relation::GreaterOrEqual => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
            Relation::Equal => ordering == Some(Ordering::Equal),
            Relation::NotEqual => ordering != Some(Ordering::Equal),
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sign())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_sign_wins() {
        assert_eq!(Relation::strip("<= 3"), Some((Relation::LessOrEqual, " 3")));
        assert_eq!(Relation::strip("< 3"), Some((Relation::Less, " 3")));
        assert_eq!(Relation::strip("= 3"), None);
    }

    #[test]
    fn nan_is_only_unequal() {
        for relation in Relation::ALL {
            assert!(
                [(1.0, 2.0), (2.0, 1.0), (1.0, 1.0)]
                    .iter()
                    .all(|&(a, b)| relation.holds(a, b) == relation.turned().holds(b, a))
            );
            assert_eq!(relation.holds(f64::NAN, 1.0), relation == Relation::NotEqual, "{relation}");
            assert_eq!(relation.holds(1.0, 1.0), relation.sign().contains('=') && relation != Relation::NotEqual);
        }
        assert!(Relation::Less.holds(1.0, 2.0) && !Relation::Less.holds(2.0, 1.0));
        assert!(Relation::Greater.holds(2.0, 1.0) && !Relation::Greater.holds(1.0, 2.0));
    }
}
