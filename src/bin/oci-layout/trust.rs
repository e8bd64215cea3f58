//! Which recipes of layouts are followed, and which files were hashed before.

use std::{env, path::PathBuf};

use clap::Args;
use oci_layout::{ImageLayout, RecipeKey, RecipeTrust, Report, Result};

use crate::{base_folders, out::say};

/// Opens all layouts, so that every command applies the same rules to layouts from others.
#[derive(Args, Clone)]
pub(crate) struct Trust {
    /// Let recipes that others wrote read the files below this folder (see `oci-layout help fill`).
    /// May be repeated
    #[arg(long, value_name = "DIR", global = true, help_heading = RECIPES)]
    recipe_root: Vec<PathBuf>,

    /// Let recipes that others wrote read every file that you can read
    #[arg(long, global = true, help_heading = RECIPES)]
    trust_recipes: bool,
}

/// The heading of these options in the help.
pub(crate) const RECIPES: &str = "Recipes of others";

impl Trust {
    /// Returns the trust for reading layouts.
    pub(crate) fn recipes(&self) -> RecipeTrust {
        let key = base_folders::state("recipe-key").map(|path| RecipeKey::open(path).transpose());
        self.with_key(key.flatten())
    }

    /// Returns the trust for reading layouts and writing recipes. Recipes are sealed; the key is
    /// created if it does not exist.
    pub(crate) fn sealing(&self) -> RecipeTrust {
        let Some(path) = base_folders::state("recipe-key") else {
            say("oci-layout: warning: this user has no home directory, and XDG_STATE_HOME is not \
                 set, so recipes are not sealed: readers of the layout need --recipe-root or \
                 --trust-recipes");
            return self.with_key(None);
        };
        self.with_key(Some(RecipeKey::open_or_create(path)))
    }

    fn with_key(&self, key: Option<Result<RecipeKey>>) -> RecipeTrust {
        let base =
            if self.trust_recipes { RecipeTrust::everything() } else { RecipeTrust::default() };
        let trust = self.recipe_root.iter().cloned().fold(base, RecipeTrust::root);
        match key {
            None => trust,
            Some(Ok(key)) => trust.key(key),
            Some(Err(error)) => {
                say(format_args!(
                    "oci-layout: warning: recipes cannot be sealed or verified: {}",
                    Report(&error)
                ));
                trust
            }
        }
    }

    /// Opens a layout in a folder or an archive. A compressed archive is unpacked in the folder for
    /// temporary files.
    pub(crate) fn open(&self, path: impl Into<PathBuf>) -> Result<ImageLayout> {
        let layout = ImageLayout::open_in(path.into(), env::temp_dir())?.trust(self.recipes());
        Ok(match base_folders::cache() {
            Some(cache) => layout.remember_checks(cache.join("checked")),
            None => layout,
        })
    }
}
