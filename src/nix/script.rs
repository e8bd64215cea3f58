//! A script that starts programs of others in a build, such as one that scans an image.

use std::{env, io, process::Command};

use crate::{
    basics::error::{Error, Result},
    nix::attributes::Attributes,
};

/// Runs a script, which writes its output to `$out`. Its home and its temporary files are in the
/// folder of the build. It has no terminal: Nix gives one to a build, and programs that find one may
/// wait for keys, or print nothing.
///
/// # Errors
///
/// [`Error::Invalid`] if the script fails.
pub fn script(attributes: &Attributes) -> Result<()> {
    let folder = env::current_dir().map_err(Error::read("."))?;
    let shell: Vec<String> = attributes.get("shell")?;
    let (program, arguments) =
        shell.split_first().ok_or_else(|| Error::invalid("shell", "it is empty"))?;
    let (mut reader, writer) = io::pipe().map_err(Error::read("a pipe"))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args(["-c", &attributes.get::<String>("script")?])
        .env("PATH", attributes.get::<String>("path")?)
        .env("out", attributes.output())
        .env("HOME", &folder)
        .env("TMPDIR", &folder)
        .stdout(writer.try_clone().map_err(Error::read("a pipe"))?)
        .stderr(writer);
    let mut child = command.spawn().map_err(Error::read(program))?;
    // The pipe ends with the last of its writers.
    drop(command);
    io::copy(&mut reader, &mut io::stderr()).map_err(Error::read("a pipe"))?;
    let status = child.wait().map_err(Error::read(program))?;
    if !status.success() {
        return Err(Error::invalid("script", format!("it failed ({status}): its output is above")));
    }
    Ok(())
}
