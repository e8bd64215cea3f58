//! What a member of a configuration can be, and what is wrong with one that is not.

use std::{borrow::Cow, fmt};

use serde_json::Value;

use crate::basics::json::shown;

/// How engines take a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Every engine takes it, and it is probably a mistake.
    Unusual,
    /// It means nothing, and some engines refuse it.
    Refused,
    /// No engine takes it, or the specification forbids it.
    Forbidden,
}

/// What is wrong with the value of a member.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The way to it from the top of the configuration.
    pub(crate) path: Vec<Step>,
    /// The value, as a sentence can have it.
    pub(crate) found: String,
    /// What it must be.
    pub(crate) expected: Cow<'static, str>,
    pub(crate) verdict: Verdict,
}

/// A step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Index(usize),
}

impl Fault {
    /// The way as people write it: `config.Env[1]`.
    pub(crate) fn member(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Member(name) if text.is_empty() => text.push_str(&shown(name)),
                Step::Member(name) => text.extend([".", &shown(name)]),
                Step::Index(index) => text.push_str(&format!("[{index}]")),
            }
        }
        text
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let must = if self.verdict == Verdict::Unusual { "should" } else { "must" };
        write!(f, "is {} and {must} be {}", self.found, self.expected)
    }
}

/// The members of an object.
pub(crate) type Members = &'static [(&'static str, Kind)];

/// What a member must be.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// A string that a rule looks at.
    TextBy(Rule),
    Flag,
    /// A whole number from this one to 2^63 - 1.
    Whole(i64),
    /// Nanoseconds: 0, or at least a millisecond.
    Duration,
    Texts,
    /// Strings, each looked at by a rule.
    TextsBy(Rule),
    /// `NAME=VALUE`, each name once.
    Variables,
    /// Strings that a rule looks at as a whole.
    ListBy(ListRule),
    TextMap,
    /// An object whose keys are what counts, and the rule for those.
    Set(&'static str, Rule),
    Object(Members),
    Objects(Members),
    /// What is looked at elsewhere.
    Elsewhere,
}

/// What is wrong with a text, if anything.
pub(crate) type Rule = fn(&str, Context<'_>) -> Option<Wrong>;

/// What is wrong with a list, if anything.
pub(crate) type ListRule = fn(&[Value]) -> Option<Wrong>;

/// What a text must be instead, and how engines take it.
pub(crate) type Wrong = (Verdict, Cow<'static, str>);

/// What the meaning of a value depends on.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) os: &'a str,
    pub(crate) architecture: &'a str,
}

impl Kind {
    /// The type, in words.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Text | Self::TextBy(_) => "a string",
            Self::Flag => "true or false",
            Self::Whole(_) => "a whole number",
            Self::Duration => "a whole number of nanoseconds, as in 30000000000 for 30 seconds",
            Self::Texts | Self::TextsBy(_) | Self::Variables | Self::ListBy(_) => {
                "a list of strings"
            }
            Self::TextMap => "an object of strings",
            Self::Set(expected, _) => expected,
            Self::Object(_) => "an object",
            Self::Objects(_) => "a list of objects",
            Self::Elsewhere => "a value",
        }
    }
}
