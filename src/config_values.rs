//! What an image configuration may contain: one table, for those who make configurations and for `verify`.
//!
//! The members are those of the [image specification](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties)
//! and of [Docker's](https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md). What is wrong with a value has one of
//! three verdicts, each found out with engines: see [`Verdict`].

mod rules;
mod table;

use std::{borrow::Cow, fmt};

use serde_json::{Map, Value};

pub(crate) use self::table::{CONFIG, CONFIGURATION, HEALTHCHECK};
use crate::json::{brief, shown};

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

/// Reports everything that is wrong with the values of a configuration, in the order of the table. Whether `os`,
/// `architecture` and `rootfs` are there, and what they and the history say of the layers, is not looked at.
pub(crate) fn check(configuration: &Map<String, Value>, report: &mut dyn FnMut(Fault)) {
    let os = configuration.get("os").and_then(Value::as_str).unwrap_or("linux");
    let architecture = configuration.get("architecture").and_then(Value::as_str).unwrap_or_default();
    let context = Context { os, architecture };
    let mut checker = Checker { path: Vec::new(), context, report };
    checker.members(configuration, CONFIGURATION);
    checker.members(configuration, table::OLDER);
}

/// The members of an object.
pub(crate) type Members = &'static [(&'static str, Kind)];

/// The names of these members.
pub(crate) fn names(members: Members) -> Vec<&'static str> {
    members.iter().map(|&(name, _)| name).collect()
}

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
    os: &'a str,
    architecture: &'a str,
}

impl Kind {
    /// The type, in words.
    fn expected(self) -> &'static str {
        match self {
            Self::Text | Self::TextBy(_) => "a string",
            Self::Flag => "true or false",
            Self::Whole(_) => "a whole number",
            Self::Duration => "a whole number of nanoseconds, as in 30000000000 for 30 seconds",
            Self::Texts | Self::TextsBy(_) | Self::Variables | Self::ListBy(_) => "a list of strings",
            Self::TextMap => "an object of strings",
            Self::Set(expected, _) => expected,
            Self::Object(_) => "an object",
            Self::Objects(_) => "a list of objects",
            Self::Elsewhere => "a value",
        }
    }
}

struct Checker<'a> {
    path: Vec<Step>,
    context: Context<'a>,
    report: &'a mut dyn FnMut(Fault),
}

impl Checker<'_> {
    fn members(&mut self, object: &Map<String, Value>, members: Members) {
        for &(name, kind) in members {
            // Go writes empty lists and maps as null, and reads null as nothing.
            if let Some(value) = object.get(name).filter(|value| !value.is_null()) {
                self.at(Step::Member(name.to_owned()), |checker| checker.value(value, kind));
            }
        }
    }

    fn at(&mut self, step: Step, check: impl FnOnce(&mut Self)) {
        self.path.push(step);
        check(self);
        self.path.pop();
    }

    fn value(&mut self, value: &Value, kind: Kind) {
        let context = self.context;
        match (kind, value) {
            (Kind::Text, Value::String(_)) | (Kind::Flag, Value::Bool(_)) | (Kind::Elsewhere, _) => {}
            (Kind::TextBy(rule), Value::String(text)) => self.by(value, rule(text, context)),
            (Kind::Whole(least), Value::Number(number)) if number.as_i64().is_some() => {
                if number.as_i64() < Some(least) {
                    self.wrong(value, Verdict::Refused, format!("a whole number, at least {least}").into());
                }
            }
            (Kind::Duration, Value::Number(number)) if number.as_i64().is_some() => {
                self.by(value, rules::duration(number.as_i64().unwrap_or_default()));
            }
            (Kind::Texts, Value::Array(list)) => self.each(list, Kind::Text),
            (Kind::TextsBy(rule), Value::Array(list)) => self.each(list, Kind::TextBy(rule)),
            (Kind::Variables, Value::Array(list)) => {
                self.each(list, Kind::TextBy(rules::variable));
                for index in rules::overridden(list) {
                    let expected = "there once: engines take the last entry of a name".into();
                    self.at(Step::Index(index), |checker| checker.wrong(&list[index], Verdict::Unusual, expected));
                }
            }
            (Kind::ListBy(rule), Value::Array(list)) => {
                self.each(list, Kind::Text);
                self.by(value, rule(list));
            }
            (Kind::TextMap, Value::Object(map)) => {
                for (key, value) in map.iter().filter(|(_, value)| !value.is_string()) {
                    self.at(Step::Member(key.clone()), |checker| checker.value(value, Kind::Text));
                }
            }
            (Kind::Set(_, rule), Value::Object(map)) => {
                for (key, value) in map {
                    self.at(Step::Member(key.clone()), |checker| {
                        checker.by(&Value::from(key.as_str()), rule(key, context));
                        if !value.is_object() && !value.is_null() {
                            checker.wrong(value, Verdict::Forbidden, "an empty object".into());
                        }
                    });
                }
            }
            (Kind::Object(members), Value::Object(object)) => self.members(object, members),
            (Kind::Objects(members), Value::Array(list)) => self.each(list, Kind::Object(members)),
            (kind, value) => self.wrong(value, Verdict::Forbidden, kind.expected().into()),
        }
    }

    fn each(&mut self, list: &[Value], kind: Kind) {
        for (index, value) in list.iter().enumerate() {
            self.at(Step::Index(index), |checker| checker.value(value, kind));
        }
    }

    fn by(&mut self, value: &Value, wrong: Option<Wrong>) {
        if let Some((verdict, expected)) = wrong {
            self.wrong(value, verdict, expected);
        }
    }

    fn wrong(&mut self, value: &Value, verdict: Verdict, expected: Cow<'static, str>) {
        (self.report)(Fault { path: self.path.clone(), found: brief(value), expected, verdict });
    }
}
