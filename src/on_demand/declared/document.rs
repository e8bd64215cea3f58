//! Files with declared images, in TOML, YAML or JSON, and the objects of Kubernetes in them.

use std::path::Path;

use serde_json::{Map, Value};

use crate::{
    basics::{
        error::{Error, Result},
        text::line_of,
        yaml,
    },
    on_demand::declared::strict_value::StrictValue,
    recipe::spec::values::list,
};

/// The maximum size of a file, which is that of a `ConfigMap` in Kubernetes.
pub(crate) const MOST_BYTES: u64 = 1 << 20;

/// The maximum number of values in a YAML file, after aliases are replaced.
const MOST_VALUES: usize = 200_000;

/// The `apiVersion` of declared images in Kubernetes.
pub(crate) const API_VERSION: &str = "packages.oci-layout/v1alpha1";

/// The `kind` of declared images in Kubernetes.
pub(crate) const KIND: &str = "DeclaredImage";

/// The languages of files, by the ends of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Json,
    Toml,
    Yaml,
}

impl Language {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }
}

/// The declarations in the text of a file: the place of each for messages, and its value.
pub(crate) fn declarations(
    file: &str,
    text: &str,
    language: Language,
) -> Result<Vec<(String, Value)>> {
    let documents = match language {
        Language::Json => vec![json(file, text)?],
        Language::Toml => vec![toml(file, text)?],
        Language::Yaml => yaml(file, text)?,
    };
    let is_only = documents.len() == 1;
    let mut found = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let place = match is_only {
            true => file.to_owned(),
            false => format!("{file}, document {}", index + 1),
        };
        of_document(&place, document, &mut found)?;
    }
    Ok(found)
}

fn json(file: &str, text: &str) -> Result<Value> {
    let value = serde_json::from_str(text).map(|StrictValue(value)| value);
    value.map_err(|error| Error::invalid(file, format!("not JSON: {error}")))
}

fn toml(file: &str, text: &str) -> Result<Value> {
    let value = toml::from_str(text).map(|StrictValue(value)| value);
    value.map_err(|error| {
        let line = line_of(text, error.span());
        Error::invalid(file, format!("not TOML, in line {line}: {}", error.message()))
    })
}

fn yaml(file: &str, text: &str) -> Result<Vec<Value>> {
    let values = serde_saphyr::from_multiple_with_options(text, yaml::options(MOST_VALUES));
    let values = values.map_err(|error| Error::invalid(file, format!("not YAML: {error}")))?;
    Ok(values.into_iter().map(|StrictValue(value)| value).collect())
}

/// Adds the declarations of a document: `images`, a list, an object of Kubernetes, or one image.
fn of_document(place: &str, document: Value, found: &mut Vec<(String, Value)>) -> Result<()> {
    let entries = match document {
        Value::Object(mut members) if members.contains_key("images") => {
            let images = members.remove("images").unwrap_or_default();
            if let Some(name) = members.keys().next() {
                return Err(Error::unknown_member(place, name, &["images"]));
            }
            let place = format!("{place}, images");
            let images = list(images).map_err(|reason| Error::invalid(&place, reason))?;
            return of_list(&place, images, found);
        }
        Value::Array(entries) => entries,
        entry @ Value::Object(_) => return of_entry(place, entry, found),
        other => {
            let reason = format!("expected images, which is a list of images, found {other}");
            return Err(Error::invalid(place, reason));
        }
    };
    of_list(place, entries, found)
}

fn of_list(place: &str, entries: Vec<Value>, found: &mut Vec<(String, Value)>) -> Result<()> {
    let mut entries = entries.into_iter().enumerate();
    entries.try_for_each(|(index, entry)| of_entry(&format!("{place}[{index}]"), entry, found))
}

fn of_entry(place: &str, entry: Value, found: &mut Vec<(String, Value)>) -> Result<()> {
    let Value::Object(members) = entry else {
        return Err(Error::invalid(place, format!("expected an image, found {entry}")));
    };
    if members.contains_key("apiVersion") || members.contains_key("kind") {
        return of_kubernetes(place, members, found);
    }
    if members.is_empty() {
        let reason =
            "expected images, which is a list of images, or an image with name and contents";
        return Err(Error::invalid(place, reason));
    }
    found.push((place.to_owned(), members.into()));
    Ok(())
}

/// An object of Kubernetes: an image, or a list of objects.
fn of_kubernetes(
    place: &str,
    mut object: Map<String, Value>,
    found: &mut Vec<(String, Value)>,
) -> Result<()> {
    let refuse = |reason: String| Err(Error::invalid(place, reason));
    let text = |member: &str| object.get(member).and_then(Value::as_str).unwrap_or_default();
    let (kind, version) = (text("kind").to_owned(), text("apiVersion").to_owned());
    if (&*kind, &*version) == ("List", "v1") || kind == format!("{KIND}List") {
        let place = format!("{place}, items");
        let items = list(object.remove("items").unwrap_or_default());
        return of_list(&place, items.map_err(|reason| Error::invalid(&place, reason))?, found);
    }
    if (&*kind, &*version) != (KIND, API_VERSION) {
        return refuse(format!(
            "expected an object of the kind {KIND} and the apiVersion {API_VERSION}, found \
             {kind:?} and {version:?}"
        ));
    }
    let known = ["apiVersion", "kind", "metadata", "spec", "status"];
    if let Some(name) = object.keys().find(|name| !known.contains(&&***name)) {
        return Err(Error::unknown_member(place, name, &known));
    }
    let Some(Value::Object(mut spec)) = object.remove("spec") else {
        return refuse("spec: expected an object".to_owned());
    };
    let name = object.get("metadata").and_then(|metadata| metadata.get("name")).cloned();
    if let Some(name) = name.filter(|_| !spec.contains_key("name")) {
        spec.insert("name".to_owned(), name);
    }
    found.push((format!("{place}, spec"), spec.into()));
    Ok(())
}
