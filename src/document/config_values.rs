//! What an image configuration may contain, in one table that both `image_config` and `verify` use.
//!
//! The members are those of the [image
//! specification](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties)
//! and of [Docker's](https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md). Every fault of
//! a value has one of three verdicts, which were determined by trying engines: see [`Verdict`].

pub(crate) mod kinds;
pub(crate) mod rules;
pub(crate) mod table;

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::{
    basics::{
        error::Result,
        json::{self, brief},
    },
    document::config_values::{
        kinds::{Context, Fault, Kind, Members, Step, Verdict, Wrong},
        table::CONFIGURATION,
    },
};

/// Reports all faults in the values of a configuration, in the order of the table. Does not check
/// whether `os`, `architecture` and `rootfs` exist, nor whether `rootfs` and `history` match the
/// layers.
pub(crate) fn check(configuration: &Map<String, Value>, report: &mut dyn FnMut(Fault)) {
    let os = configuration.get("os").and_then(Value::as_str).unwrap_or("linux");
    let architecture =
        configuration.get("architecture").and_then(Value::as_str).unwrap_or_default();
    let context = Context { os, architecture };
    let mut checker = Checker { path: Vec::new(), context, report };
    checker.members(configuration, CONFIGURATION);
    checker.members(configuration, table::OLDER);
}

/// The names of these members.
pub(crate) fn names(members: Members) -> Vec<&'static str> {
    members.iter().map(|&(name, _)| name).collect()
}

/// Returns members that a user gave, at every depth with their keys written as in the table. A key
/// that does not exist is an error. `what` names the object at a path.
pub(crate) fn with_known_members(
    what: &dyn Fn(&str) -> String,
    path: &str,
    value: Value,
    members: Members,
) -> Result<Map<String, Value>> {
    let mut object = json::with_known_keys(&what(path), value, &names(members))?;
    let below =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for &(name, kind) in members {
        let Some(value) = object.get_mut(name) else { continue };
        match (kind, value) {
            (Kind::Object(members), value @ Value::Object(_)) => {
                *value = with_known_members(what, &below(name), value.take(), members)?.into();
            }
            (Kind::Objects(members), Value::Array(list)) => {
                for (index, value) in list.iter_mut().enumerate().filter(|(_, it)| it.is_object()) {
                    let path = format!("{}[{index}]", below(name));
                    *value = with_known_members(what, &path, value.take(), members)?.into();
                }
            }
            _ => {}
        }
    }
    Ok(object)
}

struct Checker<'a> {
    path: Vec<Step>,
    context: Context<'a>,
    report: &'a mut dyn FnMut(Fault),
}

impl Checker<'_> {
    fn members(&mut self, object: &Map<String, Value>, members: Members) {
        for &(name, kind) in members {
            // Go writes empty lists and maps as null, and ignores null when reading.
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
            (Kind::Text, Value::String(_))
            | (Kind::Flag, Value::Bool(_))
            | (Kind::Elsewhere, _) => {}
            (Kind::TextBy(rule), Value::String(text)) => self.by(value, rule(text, context)),
            (Kind::Whole(least), Value::Number(number)) if number.as_i64().is_some() => {
                if number.as_i64() < Some(least) {
                    self.wrong(
                        value,
                        Verdict::Refused,
                        format!("a whole number, at least {least}").into(),
                    );
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
                    self.at(Step::Index(index), |checker| {
                        checker.wrong(&list[index], Verdict::Unusual, expected)
                    });
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
