//! The characters that LaTeX supports: as text in T1 fonts, or as commands of its math mode.

/// Whether pdfLaTeX shows this character as it is with `fontenc` T1 and UTF-8: letters and signs of Latin scripts.
pub(super) fn is_text(c: char) -> bool {
    // These gaps in the range are in no T1 font.
    let missing = "ĦħĸĿŀŉŦŧſ×÷±¬µ·\u{ad}";
    match c {
        ' '..='~' => true,
        '¡'..='ſ' => !missing.contains(c),
        'Ș' | 'ș' | 'Ț' | 'ț' | '‘' | '’' | '‚' | '“' | '”' | '„' | '†' | '‡' | '•' | '…' | '‰' | '‹' | '›' | '€'
        | '™' => true,
        _ => false,
    }
}

/// Returns the math command for this character; `None` if LaTeX has none.
pub(super) fn in_math(c: char) -> Option<&'static str> {
    let found = MATH.binary_search_by_key(&c, |(known, _)| *known).ok()?;
    Some(MATH[found].1)
}

/// Returns a bar of a text curve (`▁` to `█`) as a rule of one to eight eighths of 1.6 ex.
pub(super) fn bar(c: char) -> Option<String> {
    let eighths = ('▁'..='█').position(|known| known == c)? + 1;
    Some(format!("\\rule{{0.4em}}{{{:.1}ex}}", 0.2 * eighths as f64))
}

/// Sorted by character.
const MATH: [(char, &str); 142] = [
    ('¬', "\\neg"),
    ('±', "\\pm"),
    ('µ', "\\mu"),
    ('·', "\\cdot"),
    ('×', "\\times"),
    ('÷', "\\div"),
    ('Α', "\\mathrm{A}"),
    ('Β', "\\mathrm{B}"),
    ('Γ', "\\Gamma"),
    ('Δ', "\\Delta"),
    ('Ε', "\\mathrm{E}"),
    ('Ζ', "\\mathrm{Z}"),
    ('Η', "\\mathrm{H}"),
    ('Θ', "\\Theta"),
    ('Ι', "\\mathrm{I}"),
    ('Κ', "\\mathrm{K}"),
    ('Λ', "\\Lambda"),
    ('Μ', "\\mathrm{M}"),
    ('Ν', "\\mathrm{N}"),
    ('Ξ', "\\Xi"),
    ('Ο', "\\mathrm{O}"),
    ('Π', "\\Pi"),
    ('Ρ', "\\mathrm{P}"),
    ('Σ', "\\Sigma"),
    ('Τ', "\\mathrm{T}"),
    ('Υ', "\\Upsilon"),
    ('Φ', "\\Phi"),
    ('Χ', "\\mathrm{X}"),
    ('Ψ', "\\Psi"),
    ('Ω', "\\Omega"),
    ('α', "\\alpha"),
    ('β', "\\beta"),
    ('γ', "\\gamma"),
    ('δ', "\\delta"),
    ('ε', "\\varepsilon"),
    ('ζ', "\\zeta"),
    ('η', "\\eta"),
    ('θ', "\\theta"),
    ('ι', "\\iota"),
    ('κ', "\\kappa"),
    ('λ', "\\lambda"),
    ('μ', "\\mu"),
    ('ν', "\\nu"),
    ('ξ', "\\xi"),
    ('ο', "o"),
    ('π', "\\pi"),
    ('ρ', "\\rho"),
    ('ς', "\\varsigma"),
    ('σ', "\\sigma"),
    ('τ', "\\tau"),
    ('υ', "\\upsilon"),
    ('φ', "\\varphi"),
    ('χ', "\\chi"),
    ('ψ', "\\psi"),
    ('ω', "\\omega"),
    ('ϑ', "\\vartheta"),
    ('ϕ', "\\phi"),
    ('ϖ', "\\varpi"),
    ('ϱ', "\\varrho"),
    ('ϵ', "\\epsilon"),
    ('\u{2009}', "\\,"),
    ('\u{2010}', "\\mbox{-}"),
    ('\u{2011}', "\\mbox{-}"),
    ('‖', "\\Vert"),
    ('\u{202f}', "\\,"),
    ('′', "\\prime"),
    ('⁰', "^{0}"),
    ('⁴', "^{4}"),
    ('⁵', "^{5}"),
    ('⁶', "^{6}"),
    ('⁷', "^{7}"),
    ('⁸', "^{8}"),
    ('⁹', "^{9}"),
    ('⁺', "^{+}"),
    ('⁻', "^{-}"),
    ('ⁿ', "^{n}"),
    ('₀', "_{0}"),
    ('₁', "_{1}"),
    ('₂', "_{2}"),
    ('₃', "_{3}"),
    ('₄', "_{4}"),
    ('₅', "_{5}"),
    ('₆', "_{6}"),
    ('₇', "_{7}"),
    ('₈', "_{8}"),
    ('₉', "_{9}"),
    ('ℓ', "\\ell"),
    ('←', "\\leftarrow"),
    ('↑', "\\uparrow"),
    ('→', "\\rightarrow"),
    ('↓', "\\downarrow"),
    ('↔', "\\leftrightarrow"),
    ('⇐', "\\Leftarrow"),
    ('⇒', "\\Rightarrow"),
    ('⇔', "\\Leftrightarrow"),
    ('∀', "\\forall"),
    ('∂', "\\partial"),
    ('∃', "\\exists"),
    ('∅', "\\emptyset"),
    ('∇', "\\nabla"),
    ('∈', "\\in"),
    ('∉', "\\notin"),
    ('∏', "\\prod"),
    ('∑', "\\sum"),
    ('−', "-"),
    ('∓', "\\mp"),
    ('∗', "\\ast"),
    ('∘', "\\circ"),
    ('√', "\\surd"),
    ('∝', "\\propto"),
    ('∞', "\\infty"),
    ('∥', "\\parallel"),
    ('∧', "\\wedge"),
    ('∨', "\\vee"),
    ('∩', "\\cap"),
    ('∪', "\\cup"),
    ('∫', "\\int"),
    ('∼', "\\sim"),
    ('≃', "\\simeq"),
    ('≅', "\\cong"),
    ('≈', "\\approx"),
    ('≠', "\\neq"),
    ('≡', "\\equiv"),
    ('≤', "\\leq"),
    ('≥', "\\geq"),
    ('≪', "\\ll"),
    ('≫', "\\gg"),
    ('⊂', "\\subset"),
    ('⊃', "\\supset"),
    ('⊆', "\\subseteq"),
    ('⊇', "\\supseteq"),
    ('⊕', "\\oplus"),
    ('⊗', "\\otimes"),
    ('⊤', "\\top"),
    ('⊥', "\\bot"),
    ('⋅', "\\cdot"),
    ('⌈', "\\lceil"),
    ('⌉', "\\rceil"),
    ('⌊', "\\lfloor"),
    ('⌋', "\\rfloor"),
    ('⟨', "\\langle"),
    ('⟩', "\\rangle"),
];

/// Whether a character in math is this command.
#[cfg(test)]
pub(super) fn has_command(name: &str) -> bool {
    MATH.iter().any(|(_, command)| command.strip_prefix('\\') == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_in_order_and_none_is_text() {
        assert!(MATH.is_sorted_by(|(a, _), (b, _)| a < b));
        assert!(MATH.iter().all(|(c, _)| !is_text(*c) && in_math(*c).is_some()));
        assert_eq!(
            (in_math('α'), in_math('≥'), in_math('−'), in_math('中')),
            (Some("\\alpha"), Some("\\geq"), Some("-"), None)
        );
    }
}
