//! A container of an image inside of a build, for the script of a test.
//!
//! There is no runtime and no root: user namespaces give the container its root file system,
//! processes and network. One user is mapped, so that no owner of the image's files is kept.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    basics::error::{Error, Result},
    document::configuration::ContainerConfig,
    nix::{attributes::Attributes, documents, services::quote},
    pool::Pool,
    rootfs::unpack::{UnpackOptions, unpack},
};

/// Where the image's files are, in the folder of the build.
const ROOT: &str = "root";

/// Runs a script that starts containers of an image, and writes an empty file if it succeeds.
///
/// # Errors
///
/// [`Error::Invalid`] if the script fails or there are no user namespaces.
pub fn test_image(attributes: &Attributes, pool: &Pool) -> Result<()> {
    let platform = attributes.platform()?.unwrap_or_default();
    let image = documents::base(attributes, &platform)?
        .ok_or_else(|| Error::invalid("image", "it is missing: name a layout"))?;
    let options = UnpackOptions::from(pool).same_owner(false);
    let root = env::current_dir().map_err(Error::read("."))?.join(ROOT);
    fs::create_dir(&root).map_err(Error::write(&root))?;
    unpack(image.layers().iter().cloned(), &root, options)?;
    for name in ["dev", "proc", "tmp", "run"] {
        let place = root.join(name);
        fs::create_dir_all(&place).map_err(Error::write(&place))?;
    }

    let config = image.configuration().config.clone().unwrap_or_default();
    let user: Option<u32> = attributes.get("user")?;
    let unshare: PathBuf = attributes.get("unshare")?;
    let shell: Vec<String> = attributes.get("shell")?;
    let container = Container { config: &config, user, unshare: &unshare };
    let script = container.function()? + &attributes.get::<String>("script")?;
    let status = Command::new(&unshare)
        .args(["--user", "--map-root-user", "--mount", "--net", "--"])
        .args(shell.iter().map(String::as_str).chain(["-c", &script]))
        .env("PATH", attributes.get::<String>("path")?)
        .env("root", &root)
        .status()
        .map_err(Error::read(&unshare))?;
    if !status.success() {
        return Err(Error::invalid(
            "script",
            format!("the test failed ({status}): its output is above"),
        ));
    }
    fs::write(attributes.output(), "").map_err(Error::write(attributes.output()))
}

struct Container<'a> {
    config: &'a ContainerConfig,
    user: Option<u32>,
    unshare: &'a Path,
}

impl Container<'_> {
    /// The function of the shell that becomes the container. Its arguments replace `Cmd`.
    fn function(&self) -> Result<String> {
        let of_image = self.config.user.as_deref().unwrap_or_default();
        let name = of_image.split(':').next().unwrap_or_default();
        let user = match self.user {
            Some(user) => user,
            None if name.is_empty() || name == "root" => 0,
            None => name.parse().map_err(|_| {
                Error::invalid("user", format!("the image names {name:?}: set user to its number"))
            })?,
        };
        let words = |words: &[String]| {
            words.iter().map(|word| quote::shell(word)).collect::<Vec<_>>().join(" ")
        };
        let directory = self.config.working_dir.as_deref().filter(|dir| !dir.is_empty());
        let signal = self.config.stop_signal.as_deref().unwrap_or("SIGTERM");
        Ok(format!(
            "container() {{\n\
             [ $# -gt 0 ] || set -- {}\n\
             exec env -i {} {} --user --map-user={user} --map-group={user} --mount --pid --fork \
             --kill-child --mount-proc=/proc --root=\"$root\" --wd={} -- {} \"$@\"\n\
             }}\nstop_signal={}\n",
            words(self.config.cmd.as_deref().unwrap_or_default()),
            words(&self.config.env),
            quote::shell(&self.unshare.display().to_string()),
            quote::shell(directory.unwrap_or("/")),
            words(self.config.entrypoint.as_deref().unwrap_or_default()),
            quote::shell(signal.strip_prefix("SIG").unwrap_or(signal)),
        ))
    }
}
