//! Checks members of JSON objects against their types.

use serde_json::{Map, Value};

use crate::{
    basics::digest::Digest,
    verify::{
        defect::Defect,
        finding::{Finding, Findings, shown},
    },
};

pub(crate) use crate::basics::json::brief;

/// A JSON object of a document, with its place for findings.
pub(crate) struct Object<'a> {
    pub(crate) members: &'a Map<String, Value>,
    pub(crate) place: String,
    /// Separates the place from the name of a member: a comma after a document, a dot after an
    /// object inside it.
    separator: &'static str,
    digest: Option<Digest>,
}

/// The type that a member must have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    /// Not empty.
    Name,
    MediaType,
    Object,
    Texts,
    TextMap,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Name => "a string that is not empty",
            Self::MediaType => "a media type, TYPE/NAME",
            Self::Object => "an object",
            Self::Texts => "a list of strings",
            Self::TextMap => "an object of strings",
        }
    }

    /// Whether a value fits, except for the contents of lists and objects, which have their own
    /// rules.
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Name => value.as_str().is_some_and(|text| !text.is_empty()),
            Self::MediaType => value.as_str().is_some_and(is_media_type),
            Self::Object | Self::TextMap => value.is_object(),
            Self::Texts => value.is_array(),
        }
    }
}

impl<'a> Object<'a> {
    /// Returns a document as an object; reports any other type.
    pub(crate) fn document(
        findings: &mut Findings,
        place: &str,
        digest: Option<Digest>,
        value: &'a Value,
    ) -> Option<Self> {
        Self::new(findings, place.to_owned(), ", ", digest, value)
    }

    /// Returns a value within a document as an object; reports any other type.
    pub(crate) fn inner(
        findings: &mut Findings,
        place: &str,
        digest: Option<Digest>,
        value: &'a Value,
    ) -> Option<Self> {
        Self::new(findings, place.to_owned(), ".", digest, value)
    }

    /// Returns a member as an object; reports any other type.
    pub(crate) fn deeper(
        &self,
        findings: &mut Findings,
        name: &str,
        value: &'a Value,
    ) -> Option<Self> {
        Self::new(findings, self.at(name), ".", self.digest, value)
    }

    fn new(
        findings: &mut Findings,
        place: String,
        separator: &'static str,
        digest: Option<Digest>,
        value: &'a Value,
    ) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Self { members, place, separator, digest }),
            other => {
                findings.add(Finding::new(place, digest, wrong(other, Shape::Object.name())));
                None
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name)
    }

    /// Returns the place of a member.
    pub(crate) fn at(&self, name: &str) -> String {
        format!("{}{}{name}", self.place, self.separator)
    }

    /// Reports a defect of a member.
    pub(crate) fn report(&self, findings: &mut Findings, name: &str, defect: Defect) {
        findings.add(Finding::new(self.at(name), self.digest, defect));
    }

    /// Reports a defect of the object as a whole.
    pub(crate) fn report_whole(&self, findings: &mut Findings, defect: Defect) {
        findings.add(Finding::new(&self.place, self.digest, defect));
    }

    /// Returns a required member of any type.
    pub(crate) fn required(
        &self,
        findings: &mut Findings,
        name: &str,
        expected: &'static str,
    ) -> Option<&'a Value> {
        let value = self.get(name);
        if value.is_none() {
            self.report(findings, name, Defect::MemberMissing { expected });
        }
        value
    }

    /// Checks a required member that can have only one value, given as JSON.
    pub(crate) fn required_value(&self, findings: &mut Findings, name: &str, json: &'static str) {
        let Some(value) = self.required(findings, name, json) else { return };
        let found = value.to_string();
        if found != json {
            self.report(findings, name, wrong(value, json));
        }
    }

    /// Returns a required member that is a valid string.
    pub(crate) fn required_text(
        &self,
        findings: &mut Findings,
        name: &str,
        kind: Shape,
    ) -> Option<&'a str> {
        let value = self.required(findings, name, kind.name())?;
        if !kind.fits(value) {
            self.report(findings, name, wrong(value, kind.name()));
            return None;
        }
        value.as_str()
    }

    /// Returns a required member that is a list.
    pub(crate) fn required_list(
        &self,
        findings: &mut Findings,
        name: &str,
        expected: &'static str,
    ) -> Option<&'a [Value]> {
        match self.required(findings, name, expected)? {
            Value::Array(list) => Some(list),
            other => {
                self.report(findings, name, wrong(other, expected));
                None
            }
        }
    }

    /// Checks the types of optional members.
    pub(crate) fn optional(&self, findings: &mut Findings, members: &[(&str, Shape)]) {
        for &(name, kind) in members {
            if let Some(value) = self.get(name) {
                self.check(findings, name, value, kind);
            }
        }
    }

    fn check(&self, findings: &mut Findings, name: &str, value: &Value, kind: Shape) {
        match (kind, value) {
            (Shape::Texts, Value::Array(list)) => {
                for (index, value) in
                    list.iter().enumerate().filter(|(_, value)| !Shape::Text.fits(value))
                {
                    self.report(
                        findings,
                        &format!("{name}[{index}]"),
                        wrong(value, Shape::Text.name()),
                    );
                }
            }
            (Shape::TextMap, Value::Object(map)) => {
                for (key, value) in map.iter().filter(|(_, value)| !value.is_string()) {
                    self.report(
                        findings,
                        &format!("{name}.{}", shown(key)),
                        wrong(value, Shape::Text.name()),
                    );
                }
            }
            (kind, value) if kind.fits(value) => {}
            (kind, value) => self.report(findings, name, wrong(value, kind.name())),
        }
    }
}

/// [RFC 6838, section 4.2](https://www.rfc-editor.org/rfc/rfc6838#section-4.2).
fn is_media_type(text: &str) -> bool {
    let name = |name: &str| {
        name.len() <= 127
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    // Parameters are common in registries.
    let plain = text.split(';').next().unwrap_or(text).trim_end();
    plain.split_once('/').is_some_and(|(kind, subtype)| name(kind) && name(subtype))
}

pub(crate) fn wrong(value: &Value, expected: &'static str) -> Defect {
    Defect::MemberWrong { found: brief(value), expected: expected.into() }
}
