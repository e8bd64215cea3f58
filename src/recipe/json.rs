//! The JSON of a recipe. The reader trusts nothing before all parts are consistent.

use std::{path::PathBuf, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    basics::{
        BYTE_FORMAT, Digest, Error, Result,
        json::{self, Bounds, Counted},
    },
    document::Descriptor,
    recipe::{
        checks::Checks,
        origin::{Origin, Recipe},
        spec::{LayerSpec, values},
        trust::RecipeKey,
    },
    tarfile::Compression,
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    descriptor: Descriptor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    diff_id: Option<Digest>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    created_by: String,
    /// A path in the form of layer specifications. Excludes `tar`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<Value>,
    /// The offset in the file. The default is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tar: Option<Value>,
    /// 32 bytes in base64: see [`RecipeKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Tar {
    byte_format: u64,
    spec: Value,
    size: u64,
    /// Concatenated digests of 32 bytes, in base64.
    prefixes: String,
    /// Concatenated CRC-32 values of 4 bytes, big endian, in base64.
    entries: String,
}

impl Recipe {
    /// Converts the recipe to JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for an extended attribute whose name is not UTF-8, which JSON cannot
    /// represent.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.document().map(|document| json::to_bytes(&document))
    }

    /// Converts the recipe to JSON with a seal, by which [`RecipeTrust`](crate::RecipeTrust)
    /// recognises that this user wrote it.
    ///
    /// # Errors
    ///
    /// The same as [`Recipe::to_bytes`].
    pub fn to_sealed_bytes(&self, key: &RecipeKey) -> Result<Vec<u8>> {
        let seal = Some(STANDARD.encode(key.seal(self)?));
        self.document().map(|document| json::to_bytes(&Document { seal, ..document }))
    }

    fn document(&self) -> Result<Document> {
        let (descriptor, created_by) = (self.descriptor.clone(), self.created_by.clone());
        let mut document = Document {
            descriptor,
            diff_id: self.diff_id,
            created_by,
            file: None,
            offset: None,
            tar: None,
            seal: None,
        };
        match &self.origin {
            Origin::File { path, offset } => {
                document.file = Some(values::from_path(path));
                document.offset = Some(*offset).filter(|&offset| offset > 0);
            }
            Origin::Tar { spec, checks } => {
                let prefixes: Vec<u8> =
                    checks.prefixes.iter().flat_map(|prefix| *prefix.bytes()).collect();
                let entries: Vec<u8> =
                    checks.entries.iter().flat_map(|sum| sum.to_be_bytes()).collect();
                document.tar = Some(json::to_value(&Tar {
                    byte_format: BYTE_FORMAT.into(),
                    spec: spec.to_value()?,
                    size: checks.size,
                    prefixes: STANDARD.encode(prefixes),
                    entries: STANDARD.encode(entries),
                }));
                document.tar.iter_mut().for_each(Value::sort_all_objects);
            }
        }
        Ok(document)
    }

    /// Reads the JSON of [`Recipe::to_bytes`]. Does not access any file that the recipe names.
    ///
    /// # Errors
    ///
    /// [`Error::RecipeFormat`] if the recipe was written for another
    /// [`BYTE_FORMAT`](crate::BYTE_FORMAT). [`Error::Invalid`], which names the member, if the
    /// recipe is not valid: for malformed JSON, relative paths, and members that are inconsistent.
    pub fn from_bytes(json: &[u8]) -> Result<Self> {
        Bounds::DOCUMENT.check(json, Counted::All).map_err(|reason| invalid("", reason))?;
        let members: Map<String, Value> =
            serde_json::from_slice(json).map_err(|error| invalid("", error.to_string()))?;
        let Document { descriptor, diff_id, created_by, file, offset, tar, seal } =
            parse("", Value::Object(members))?;
        let origin = match (file, tar) {
            (Some(file), None) => {
                let path = values::path(file).map_err(|reason| invalid(", file", reason))?;
                let offset = offset.unwrap_or(0);
                if offset.checked_add(descriptor.size).is_none() {
                    return Err(invalid(", offset", "the end exceeds the size of any file"));
                }
                Origin::File { path: absolute(path, ", file")?, offset }
            }
            (None, Some(tar)) if offset.is_none() => read_tar(&descriptor, diff_id, tar)?,
            _ => {
                return Err(invalid(
                    "",
                    "it must have either a file, with an optional offset, or a tar",
                ));
            }
        };
        let seal = match seal.map(|seal| numbers(", seal", &seal)).transpose()?.as_deref() {
            None => None,
            Some([seal]) => Some(*seal),
            Some(_) => return Err(invalid(", seal", "expected 32 bytes")),
        };
        Ok(Self { diff_id, created_by, seal, ..Self::new(descriptor, origin) })
    }
}

fn read_tar(descriptor: &Descriptor, diff_id: Option<Digest>, tar: Value) -> Result<Origin> {
    // Checked first, because everything else may differ in another format.
    match tar.get("byteFormat").map(Value::as_u64) {
        Some(Some(format)) if format == u64::from(BYTE_FORMAT) => {}
        Some(Some(format)) => {
            return Err(Error::RecipeFormat { digest: descriptor.digest, format });
        }
        _ => return Err(invalid(", tar, byteFormat", "expected a number")),
    }
    let Tar { spec, size, prefixes, entries, .. } = parse(", tar", tar)?;
    let spec = LayerSpec::from_value(spec).map_err(|error| invalid(", tar", error.to_string()))?;
    for mapping in &spec.files {
        if let Some(source) = mapping.source.path() {
            absolute(source.to_owned(), ", tar, spec")?;
        }
    }
    let compression = spec.options.compression;
    if compression.media_type() != descriptor.media_type {
        let reason = format!(
            "a layer with compression {compression} does not have the type {}",
            descriptor.media_type
        );
        return Err(invalid(", descriptor", reason));
    }
    let prefixes: Vec<Digest> =
        numbers(", tar, prefixes", &prefixes)?.into_iter().map(Digest::from_bytes).collect();
    let entries =
        numbers(", tar, entries", &entries)?.into_iter().map(u32::from_be_bytes).collect();
    // At most one block ends at each byte. Which blocks the tar has is known when it is made again.
    let count = prefixes.len() as u64;
    if count < size.div_ceil(compression.block_limit()) || count > size {
        return Err(invalid(
            ", tar, prefixes",
            format!("found {count} digests, which do not fit a tar of {size} bytes"),
        ));
    }
    if prefixes.last().is_none() || prefixes.last() != diff_id.as_ref() {
        return Err(invalid(", diffId", "it differs from the digest of the tar"));
    }
    if compression == Compression::None
        && (Some(descriptor.digest), descriptor.size) != (diff_id, size)
    {
        return Err(invalid(", descriptor", "it differs from the tar, which is not compressed"));
    }
    Ok(Origin::Tar { spec: Arc::new(spec), checks: Arc::new(Checks { size, prefixes, entries }) })
}

fn parse<T: DeserializeOwned>(what: &str, value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| invalid(what, error.to_string()))
}

/// Decodes concatenated byte strings of the same length.
fn numbers<const N: usize>(what: &str, text: &str) -> Result<Vec<[u8; N]>> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| invalid(what, format!("expected base64: {error}")))?;
    match bytes.as_chunks() {
        (numbers, []) => Ok(numbers.to_vec()),
        _ => Err(invalid(what, format!("expected values of {N} bytes each"))),
    }
}

fn absolute(path: PathBuf, what: &str) -> Result<PathBuf> {
    match path.is_absolute() {
        true => Ok(path),
        false => {
            Err(invalid(what, format!("{path:?} is relative, but a recipe needs absolute paths")))
        }
    }
}

fn invalid(what: &str, reason: impl Into<String>) -> Error {
    let reason = reason.into();
    Error::invalid(format!("recipe{what}"), format!("{reason}: make the image again"))
}
