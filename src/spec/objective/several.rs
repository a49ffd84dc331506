//! Several discriminators that play one game (Durugkar, Gemp & Mahadevan, "Generative multi-adversarial networks", ICLR
//! 2017).

use std::sync::Arc;

use sweep_formula::ast::{Expr, Function, Kind as Part, Operator, Row};

use crate::amount::Amount;
use crate::error::Mistakes;
use crate::keys::Range;
use crate::value::Reader;
use crate::yaml::{Content, Node};

/// The limit for λ times a difference of losses when discriminators are weighted by a softmax: e⁸⁰ is finite in
/// float32.
const MOST: f64 = 80.0;

/// Reads how the generator combines the losses from several discriminators: their mean, or a softmax of λ times them as
/// weights.
pub(super) fn combine(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Option<Amount>> {
    let help = "write `combine: mean`, or `combine: {softmax: 1}`";
    match &node.content {
        Content::Scalar { text, .. } if text == "mean" => Some(None),
        Content::Map(entries) if entries.len() == 1 && entries[0].0.text == "softmax" => {
            let (name, node) = &entries[0];
            let path = format!("{path}.{}", name.text);
            let example = "`softmax: s` here, `s: 1` in `parameters`, and `s: {from: 0, to: 1, shape: linear}` next to \
                the objective";
            Reader { node, path: &path, mistakes }.amount(Range::any(), example).map(Some)
        }
        Content::Scalar { .. } | Content::Map(_) | Content::List(_) => {
            let message = format!("expected a way to combine several losses, found {}", node.describe());
            mistakes.advise(path, &node.span, message, help);
            None
        }
    }
}

/// Returns the joint loss of several discriminators that each have the loss `of`: their sum for the discriminators. For
/// the generator, as `combined` says (Durugkar, Gemp & Mahadevan, "Generative multi-adversarial networks", ICLR 2017):
/// their mean, or Σ wᵢ Lᵢ with w = softmax(λ L).
pub(super) fn together(of: &Expr, discriminators: usize, combined: Option<&Option<Amount>>) -> Expr {
    let part = |kind| Expr::at(kind, &of.place);
    let binary = |operator, a, b| part(Part::Binary(operator, Box::new(a), Box::new(b)));
    let sum = |all: Vec<Expr>| all.into_iter().reduce(|a, b| binary(Operator::Add, a, b));
    let each: Vec<Expr> = (0..discriminators).map(|discriminator| of_discriminator(of, discriminator)).collect();
    let all = match combined {
        None => sum(each),
        Some(None) => {
            let n = part(Part::Number(discriminators as f64));
            sum(each).map(|sum| binary(Operator::Div, sum, n))
        }
        Some(Some(lambda)) => {
            let lambda = part(match lambda {
                Amount::Number(number) => Part::Number(*number),
                Amount::Parameter(name) => Part::Parameter(Arc::clone(name)),
            });
            let share = |i: usize| {
                // 1 / wᵢ = Σⱼ e^(λ (Lⱼ − Lᵢ)).
                let against = |j: usize| {
                    let apart = binary(Operator::Sub, each[j].clone(), each[i].clone());
                    let scaled = binary(Operator::Mul, lambda.clone(), apart);
                    let bounded = part(Part::Call(Function::Min, vec![scaled, part(Part::Number(MOST))]));
                    part(Part::Call(Function::Exp, vec![bounded]))
                };
                let others = (0..discriminators).filter(|j| *j != i).map(against);
                let all = sum([part(Part::Number(1.0))].into_iter().chain(others).collect());
                all.map(|all| binary(Operator::Div, each[i].clone(), all))
            };
            sum((0..discriminators).filter_map(share).collect())
        }
    };
    all.unwrap_or_else(|| unreachable!("at least one discriminator"))
}

/// Returns `of` for another discriminator.
fn of_discriminator(of: &Expr, discriminator: usize) -> Expr {
    let again = |part: &Expr| of_discriminator(part, discriminator);
    let kind = match &of.kind {
        Part::Row(row) => Part::Row(Row { discriminator, ..*row }),
        Part::Number(_) | Part::Parameter(_) => of.kind.clone(),
        Part::Neg(x) => Part::Neg(Box::new(again(x))),
        Part::Binary(operator, a, b) => Part::Binary(*operator, Box::new(again(a)), Box::new(again(b))),
        Part::Call(function, arguments) => Part::Call(*function, arguments.iter().map(again).collect()),
    };
    Expr::at(kind, &of.place)
}
