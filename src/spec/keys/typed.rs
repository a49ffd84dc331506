//! Keys with a Rust type for their values, and a macro to describe the keys of a section.

use std::marker::PhantomData;
use std::ops::Deref;

use super::{Described, Key, Kind, Section, Used, Usual};
use crate::parameters::Parameters;
use crate::settings::Settings;
use crate::value::SettingValue;

/// A key with values of type `T`.
pub struct Typed<T> {
    pub(super) described: Described,
    held: PhantomData<fn() -> T>,
}

impl<T> Deref for Typed<T> {
    type Target = Described;

    fn deref(&self) -> &Described {
        &self.described
    }
}

impl<T> From<&'static Typed<T>> for Key {
    fn from(typed: &'static Typed<T>) -> Self {
        Key::Fixed(&typed.described)
    }
}

/// The first part of a description: name, section and help.
pub(super) struct Head(pub &'static str, pub Section, pub &'static str);

/// Describes the keys of one section. Each is a static with its name in capitals, and all are in `ALL`.
macro_rules! keys {
    ($section:ident: $($(#[doc = $help:literal])+ $key:ident: $type:ty = $name:literal,
        $kind:ident($($takes:expr),*) $(.$with:ident($($given:expr),*))*;)*) => {
        $($(#[doc = $help])+
        pub static $key: $crate::keys::Typed<$type> = $crate::keys::Typed::<$type>::$kind(
            $crate::keys::Head($name, $crate::keys::Section::$section, concat!($($help),+)) $(, $takes)*
        )$(.$with($($given),*))*;)*

        /// All keys, in the order in which they are documented.
        pub(super) static ALL: &[&$crate::keys::Described] = &[$($key.described()),*];
    };
}
pub(super) use keys;

impl<T> Typed<T> {
    pub(super) const fn of(Head(name, section, help): Head, kind: Kind) -> Self {
        Typed { described: Described::new(name, section, help, kind), held: PhantomData }
    }

    /// Makes it a group, which sets all of `parts`.
    pub(super) const fn group(mut self, parts: &'static [&'static Described]) -> Self {
        self.described.parts = parts;
        self
    }

    /// Makes it a parameter.
    pub(super) const fn parameter(mut self) -> Self {
        self.described.parameter = true;
        self
    }

    /// Makes it a parameter that was added later. Older jobs behaved as with this value, so a parameter with this value
    /// is not part of a job.
    pub(super) const fn since(mut self, value: f64) -> Self {
        self.described.parameter = true;
        self.described.before = Some(value);
        self
    }

    /// Marks a key whose value decides which other keys matter.
    pub(super) const fn decides(mut self) -> Self {
        self.described.decides = true;
        self
    }

    /// Marks a key that a file must set; `example` is an example value.
    pub(super) const fn said(mut self, example: &'static str) -> Self {
        self.described.usual = Usual::Said(example);
        self
    }

    pub(super) const fn always(mut self, value: fn() -> SettingValue) -> Self {
        self.described.usual = Usual::Always(value);
        self
    }

    pub(super) const fn usually(mut self, words: &'static str, from: fn(&Settings) -> Option<SettingValue>) -> Self {
        self.described.usual = Usual::From(words, from);
        self
    }

    pub(super) const fn used(mut self, used: Used) -> Self {
        self.described.used = used;
        self
    }

    pub(super) const fn flag(mut self, flag: &'static str, value: &'static str) -> Self {
        self.described.flag = Some((flag, value));
        self
    }

    /// Returns the key without the type of its values.
    pub const fn described(&self) -> &Described {
        &self.described
    }
}

impl<T> Typed<T> {
    /// Returns the number that a job with these parameters uses at training step `step`, counted from 0.
    pub fn in_job(&self, parameters: &Parameters, step: u64) -> Option<f64> {
        parameters.at(self.name, step).or(self.before)
    }
}
