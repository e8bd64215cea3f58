//! Which recipes of layouts are followed, and which files were hashed before.

use std::{env, path::PathBuf};

use clap::Args;
use oci_layout::{ImageLayout, RecipeKey, RecipeTrust, Report, Result};

use crate::{base_folders, out::say};

/// Opens all layouts, so that every command applies the same rules to layouts from others.
#[derive(Args, Clone)]
pub(crate) struct Trust {
    /// Let recipes in layouts read the files below this folder, even if others wrote the recipes.
    /// May be repeated. A recipe that this user wrote on this machine, or that reads only the Nix
    /// store, needs no option
    #[arg(long, value_name = "DIR", global = true, help_heading = "Recipes of others")]
    recipe_root: Vec<PathBuf>,

    /// Let recipes in layouts read every file that you can read, even if others wrote the recipes
    #[arg(long, global = true, help_heading = "Recipes of others")]
    trust_recipes: bool,
}

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
