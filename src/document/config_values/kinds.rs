//! The types of members of a configuration, and the faults of their values.

use std::{borrow::Cow, fmt};

use serde_json::Value;

use crate::basics::json::shown;

/// How engines treat a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Every engine accepts it, but it is probably a mistake.
    Unusual,
    /// It has no meaning, and some engines refuse it.
    Refused,
    /// No engine accepts it, or the specification forbids it.
    Forbidden,
}

/// A fault in the value of a member.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The path from the top of the configuration.
    pub(crate) path: Vec<Step>,
    /// The value, shortened for a message.
    pub(crate) found: String,
    /// What the value must be.
    pub(crate) expected: Cow<'static, str>,
    pub(crate) verdict: Verdict,
}

/// A step in the path of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Index(usize),
}

impl Fault {
    /// The path as people write it: `config.Env[1]`.
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

/// The type of a member.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// A string that a rule checks.
    TextBy(Rule),
    Flag,
    /// A whole number from this one to 2^63 - 1.
    Whole(i64),
    /// Nanoseconds: 0, or at least a millisecond.
    Duration,
    Texts,
    /// A list of strings, each checked by a rule.
    TextsBy(Rule),
    /// A list of `NAME=VALUE`, in which each name occurs once.
    Variables,
    /// A list of strings that a rule checks as a whole.
    ListBy(ListRule),
    TextMap,
    /// An object whose keys are the values, and the rule for those.
    Set(&'static str, Rule),
    Object(Members),
    Objects(Members),
    /// A value that other code checks.
    Elsewhere,
}

/// Returns the fault of a text, if any.
pub(crate) type Rule = fn(&str, Context<'_>) -> Option<Wrong>;

/// Returns the fault of a list, if any.
pub(crate) type ListRule = fn(&[Value]) -> Option<Wrong>;

/// How engines treat a text, and what it must be instead.
pub(crate) type Wrong = (Verdict, Cow<'static, str>);

/// Other members that a value's meaning depends on.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) os: &'a str,
    pub(crate) architecture: &'a str,
}

impl Kind {
    /// The type in words.
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
