//! A configuration without the members that depend on the layers: the base image and the options,
//! merged and checked.

use serde_json::{Value, json};

use crate::{
    basics::{
        Error, Result, Warning,
        json::{self, Bounds, Counted},
    },
    document::Platform,
    image::{
        config_changes::{ConfigChanges, platform_of},
        config_options::ConfigOptions,
        inherit::{self, inherited},
        platform_image::PlatformImage,
    },
};

/// The creation time of images, unless the options set another.
const CREATED: &str = "1970-01-01T00:00:01Z";

const BASE: &str = "the base image";

/// The bounds for a base's configuration, which is in memory several times while others are merged
/// over it.
const MERGED: Bounds = Bounds { values: 1 << 17, objects: 1 << 14 };

pub(crate) struct Draft {
    /// The document, without `rootfs`.
    pub(crate) value: Value,
    /// The history entries below those of the new layers. `None` if the options contain the whole
    /// history.
    pub(crate) history: Option<Vec<Value>>,
    pub(crate) base: Option<PlatformImage>,
    pub(crate) warnings: Vec<Warning>,
}

impl Draft {
    pub(crate) fn new(options: ConfigOptions) -> Result<Self> {
        let changes = ConfigChanges::new(&options)?;
        let ConfigOptions { base, inherit, .. } = options;
        let mut warnings = Vec::new();

        let mut value = json!({ "created": CREATED });
        if let Some(base) = &base {
            MERGED.check(&json::to_bytes(base.configuration()), Counted::All).map_err(
                |reason| {
                    Error::invalid(
                        "image configuration (set by the base image)",
                        format!("{reason}, which is too many for a base image"),
                    )
                },
            )?;
            let has_entrypoint = changes.of_config("Entrypoint").next().is_some();
            json::merge(&mut value, inherited(base, &inherit, has_entrypoint, &mut warnings));
        }
        let base_platform = base.as_ref().map(|base| base.configuration().platform());
        let base_platform = base_platform.filter(|platform| !platform.is_not_said());
        let history = (!changes.set_history()).then(|| inherit::history(base.as_ref(), &inherit));
        let below = history.as_deref().unwrap_or_default();
        changes.apply(&mut value, BASE, base_platform.as_ref(), below, &mut warnings)?;
        if let Some(base_platform) = base_platform
            && let Some(platform) = platform_of(&value)
            && !carries(&base_platform, &platform)
        {
            let reason = format!(
                "the base image is for {base_platform}: choose the base image of that platform"
            );
            return Err(Error::invalid(format!("platform {platform}"), reason));
        }
        Ok(Self { value, history, base, warnings })
    }
}

/// Whether an image for this platform can be built on the base. A base without a variant contains
/// programs for any variant.
fn carries(base: &Platform, platform: &Platform) -> bool {
    let any = Platform {
        variant: base.variant.as_ref().and(platform.variant.clone()),
        ..platform.clone()
    };
    base.accepts(&any)
}
