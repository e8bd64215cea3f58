//! Members of JSON objects and the types they must have.

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
    /// Between the place and a member's name: members of a document stand behind a comma, deeper ones behind a dot.
    separator: &'static str,
    digest: Option<Digest>,
}

/// What a member must be.
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

    /// Whether a value that is neither a list nor an object with conditions of its own fits.
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
    /// A document as a whole, if it is an object.
    pub(crate) fn document(
        findings: &mut Findings,
        place: &str,
        digest: Option<Digest>,
        value: &'a Value,
    ) -> Option<Self> {
        Self::new(findings, place.to_owned(), ", ", digest, value)
    }

    /// An object within a document, if it is one.
    pub(crate) fn inner(
        findings: &mut Findings,
        place: &str,
        digest: Option<Digest>,
        value: &'a Value,
    ) -> Option<Self> {
        Self::new(findings, place.to_owned(), ".", digest, value)
    }

    /// A member that must be an object, if it is one.
    pub(crate) fn deeper(&self, findings: &mut Findings, name: &str, value: &'a Value) -> Option<Self> {
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

    /// The place of a member.
    pub(crate) fn at(&self, name: &str) -> String {
        format!("{}{}{name}", self.place, self.separator)
    }

    /// Notes down what is wrong with one of its members.
    pub(crate) fn report(&self, findings: &mut Findings, name: &str, defect: Defect) {
        findings.add(Finding::new(self.at(name), self.digest, defect));
    }

    /// Notes down what is wrong with it as a whole.
    pub(crate) fn report_whole(&self, findings: &mut Findings, defect: Defect) {
        findings.add(Finding::new(&self.place, self.digest, defect));
    }

    /// A member that must be there, whatever it is.
    pub(crate) fn required(&self, findings: &mut Findings, name: &str, expected: &'static str) -> Option<&'a Value> {
        let value = self.get(name);
        if value.is_none() {
            self.report(findings, name, Defect::MemberMissing { expected });
        }
        value
    }

    /// A member that must be there and a string that fits.
    pub(crate) fn required_text(&self, findings: &mut Findings, name: &str, kind: Shape) -> Option<&'a str> {
        let value = self.required(findings, name, kind.name())?;
        if !kind.fits(value) {
            self.report(findings, name, wrong(value, kind.name()));
            return None;
        }
        value.as_str()
    }

    /// A member that must be a list.
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

    /// Members that may be missing, and have these types if they are there.
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
                for (index, value) in list.iter().enumerate().filter(|(_, value)| !Shape::Text.fits(value)) {
                    self.report(findings, &format!("{name}[{index}]"), wrong(value, Shape::Text.name()));
                }
            }
            (Shape::TextMap, Value::Object(map)) => {
                for (key, value) in map.iter().filter(|(_, value)| !value.is_string()) {
                    self.report(findings, &format!("{name}.{}", shown(key)), wrong(value, Shape::Text.name()));
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
    // Registries are full of types with parameters.
    let plain = text.split(';').next().unwrap_or(text).trim_end();
    plain.split_once('/').is_some_and(|(kind, subtype)| name(kind) && name(subtype))
}

pub(crate) fn wrong(value: &Value, expected: &'static str) -> Defect {
    Defect::MemberWrong { found: brief(value), expected: expected.into() }
}
