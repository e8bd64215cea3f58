//! The program `oci-layout`. Each subcommand makes a few calls to the library.

mod advice;
mod args;
mod attached;
mod base_args;
mod base_folders;
mod base_image;
mod build;
mod bundles;
#[cfg(feature = "registry")]
mod certificates;
mod check;
mod closure;
mod companions;
mod config_args;
mod copy;
#[cfg(feature = "on-demand")]
mod crd;
#[cfg(feature = "on-demand")]
mod declared;
mod diff;
mod edit;
mod errors;
mod export;
mod files;
mod help;
mod hints;
mod ignore_file;
mod image_arg;
mod input;
mod inspect;
mod layer_args;
mod layer_diff;
#[cfg(feature = "registry")]
mod login;
mod mutate;
mod named_image;
mod names;
mod nix;
mod out;
mod output;
#[cfg(feature = "on-demand")]
mod package_args;
mod plan_layers;
mod progress;
mod prompt;
#[cfg(feature = "registry")]
mod pull;
#[cfg(feature = "registry")]
mod push;
mod referrers;
#[cfg(feature = "registry")]
mod registries;
mod reuse_args;
mod sbom;
mod script;
#[cfg(feature = "registry")]
mod serve;
#[cfg(feature = "registry")]
mod serve_log;
mod sign;
mod split_args;
mod squash;
mod steps;
mod trust;
mod unpack;
mod verify;
mod verify_signature;
mod write_args;

use std::{
    env,
    ffi::{OsStr, OsString},
    path::Path,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use clap::{Args, CommandFactory, Parser, Subcommand};
use oci_layout::{Error, Result, Warning};
use signal_hook::consts::SIGXFSZ;

use self::{out::say, trust::Trust};

/// Packs files into container images, stored as OCI image layouts for crane, podman and skopeo.
///
/// `build` does this in one command. Its four steps are also subcommands: layer-tar creates a
/// layer, image-config and image-manifest create an image from layers, and image-layout creates a
/// layout from images. The same files and options give the same bytes on every machine.
#[derive(Parser)]
#[command(
    name = "oci-layout",
    version,
    max_term_width = 110,
    after_help = "\
Examples:
  oci-layout build -f app:/bin/app --entrypoint /bin/app -o image
  oci-layout inspect image
  podman run oci:image"
)]
struct Program {
    #[command(subcommand)]
    command: Command,

    /// Number of threads; 0 uses all CPUs. The output does not depend on it [default:
    /// $NIX_BUILD_CORES, or 0]
    #[arg(long, value_name = "N", global = true, value_parser = args::threads)]
    threads: Option<usize>,

    #[command(flatten)]
    warnings: Warnings,

    #[command(flatten)]
    trust: Trust,
}

/// How warnings are handled.
#[derive(Args, Clone, Copy)]
pub(crate) struct Warnings {
    /// Do not print warnings
    #[arg(short, long, global = true, conflicts_with = "strict")]
    pub(crate) quiet: bool,

    /// Treat warnings as errors
    #[arg(long, global = true)]
    pub(crate) strict: bool,
}

impl Warnings {
    /// Prints the warnings. With `--strict`, returns the first as an error.
    pub(crate) fn report(self, warnings: &[Warning]) -> Result<()> {
        if let (Some(warning), true) = (warnings.first(), self.strict) {
            return Err(Error::Warning(warning.clone()));
        }
        self.print(warnings);
        Ok(())
    }

    /// Prints a warning of the program itself. With `--strict`, returns it as an error.
    pub(crate) fn say(self, path: &Path, reason: &str) -> Result<()> {
        if self.strict {
            let reason = format!("{reason} (strict: warnings are errors)");
            return Err(errors::invalid(format!("{path:?}"), reason));
        }
        if !self.quiet {
            say(format_args!("oci-layout: warning: {path:?} {reason}"));
        }
        Ok(())
    }

    pub(crate) fn print(self, warnings: &[Warning]) {
        if !self.quiet {
            for warning in warnings {
                say(format_args!("oci-layout: warning: {}", advice::warning(warning)));
            }
        }
    }
}

#[derive(Subcommand)]
enum Command {
    Build(Box<build::Build>),
    LayerTar(steps::LayerTar),
    ImageConfig(steps::ImageConfig),
    ImageManifest(steps::ImageManifest),
    ImageLayout(steps::ImageLayout),
    ClosureLayers(closure::ClosureLayers),
    PlanLayers(plan_layers::PlanLayers),
    Mutate(Box<mutate::Mutate>),
    Tag(names::Tag),
    Append(edit::Append),
    Delete(names::Delete),
    Gc(edit::Gc),
    Fill(edit::Fill),
    Verify(verify::Verify),
    Check(check::CheckCommand),
    Inspect(inspect::Inspect),
    Tags(names::Tags),
    Config(names::Config),
    Manifest(names::Manifest),
    Digest(names::ImageDigest),
    Ls(files::Ls),
    Cat(files::Cat),
    Cp(unpack::Cp),
    Unpack(unpack::Unpack),
    Diff(diff::Diff),
    Squash(squash::Squash),
    Recompress(squash::Recompress),
    LayerDiff(layer_diff::LayerDiff),
    Sbom(sbom::SbomCommand),
    Attach(referrers::Attach),
    Discover(referrers::Discover),
    Detach(referrers::Detach),
    Sign(sign::Sign),
    VerifySignature(verify_signature::VerifySignature),
    Export(export::Export),
    Copy(copy::Copy),
    #[cfg(feature = "registry")]
    Pull(pull::Pull),
    #[cfg(feature = "registry")]
    Push(push::Push),
    #[cfg(feature = "registry")]
    Login(login::Login),
    #[cfg(feature = "registry")]
    Logout(login::Logout),
    #[cfg(feature = "registry")]
    Serve(serve::Serve),
    #[cfg(feature = "on-demand")]
    Crd(crd::Crd),
    Nix(nix::Nix),
    Completions(companions::Completions),
    Man(companions::Man),
}

fn main() -> ExitCode {
    // Writing a file larger than the shell's limit must fail with an error instead of ending the
    // program.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))
        .expect("this signal may be handled");
    let arguments = script::arguments(env::args_os(), is_subcommand).map(args::with_standard_input);
    match arguments.and_then(parse).and_then(run) {
        Ok(code) => code,
        Err(error) => {
            out::say_error(&advice::error(&error));
            ExitCode::FAILURE
        }
    }
}

/// Parses the arguments, with those of the options file of `build` if it has one.
fn parse(arguments: Vec<OsString>) -> Result<Program> {
    let program: Program = out::parse(help::grouped(Program::command()), arguments.clone());
    let Command::Build(build) = &program.command else { return Ok(program) };
    let Some(path) = build.options_file() else { return Ok(program) };
    let arguments = build::with_options_file(arguments, path)?;
    Ok(out::parse(Program::command().mut_subcommand("build", build::overriding), arguments))
}

fn is_subcommand(name: &OsStr) -> bool {
    name == "help" || Program::command().find_subcommand(name).is_some()
}

fn run(Program { command, threads, warnings, trust }: Program) -> Result<ExitCode> {
    let pool = args::pool(threads)?;
    match command {
        Command::Build(build) => build.run(&pool, warnings, &trust)?,
        Command::LayerTar(layer_tar) => layer_tar.run(&pool, warnings, &trust)?,
        Command::ImageConfig(image_config) => image_config.run(warnings, &trust)?,
        Command::ImageManifest(image_manifest) => image_manifest.run(&pool, warnings, &trust)?,
        Command::ImageLayout(image_layout) => image_layout.run(&pool, warnings, &trust)?,
        Command::ClosureLayers(closure_layers) => closure_layers.run()?,
        Command::PlanLayers(plan_layers) => plan_layers.run()?,
        Command::Mutate(mutate) => mutate.run(&pool, warnings, &trust)?,
        Command::Tag(tag) => tag.run(&trust)?,
        Command::Tags(tags) => tags.run(&trust)?,
        Command::Config(config) => config.run(&trust)?,
        Command::Manifest(manifest) => manifest.run(&trust)?,
        Command::Digest(digest) => digest.run(&trust)?,
        Command::Delete(delete) => delete.run(&trust)?,
        Command::Append(append) => append.run(&pool, warnings, &trust)?,
        Command::Gc(gc) => gc.run(&trust)?,
        Command::Fill(fill) => fill.run(&pool, &trust)?,
        Command::Verify(verify) => return verify.run(&pool, warnings, &trust),
        Command::Check(check) => return check.run(&pool, &trust),
        Command::Inspect(inspect) => return inspect.run(&pool, &trust),
        Command::Ls(ls) => ls.run(&pool, warnings, &trust)?,
        Command::Cat(cat) => cat.run(&trust)?,
        Command::Cp(cp) => cp.run(&pool, warnings, &trust)?,
        Command::Unpack(unpack) => unpack.run(&pool, warnings, &trust)?,
        Command::Diff(diff) => return Ok(diff.run(&pool, &trust)),
        Command::Squash(squash) => squash.run(&pool, warnings, &trust)?,
        Command::Recompress(recompress) => recompress.run(&pool, warnings, &trust)?,
        Command::LayerDiff(layer_diff) => layer_diff.run(&pool, warnings, &trust)?,
        Command::Sbom(sbom) => sbom.run(&pool, warnings, &trust)?,
        Command::Attach(attach) => attach.run(&pool, &trust)?,
        Command::Discover(discover) => discover.run(&trust)?,
        Command::Detach(detach) => detach.run(&trust)?,
        Command::Sign(sign) => sign.run(&pool, &trust)?,
        Command::VerifySignature(verify) => verify.run(&trust)?,
        Command::Export(export) => export.run(&pool, warnings, &trust)?,
        Command::Copy(copy) => return copy.run(&pool, warnings, &trust),
        #[cfg(feature = "registry")]
        Command::Pull(pull) => pull.run(&pool, &trust)?,
        #[cfg(feature = "registry")]
        Command::Push(push) => push.run(&pool, &trust)?,
        #[cfg(feature = "registry")]
        Command::Login(login) => login.run()?,
        #[cfg(feature = "registry")]
        Command::Logout(logout) => logout.run()?,
        #[cfg(feature = "registry")]
        Command::Serve(serve) => return serve.run(&pool, &trust),
        #[cfg(feature = "on-demand")]
        Command::Crd(crd) => crd.run()?,
        Command::Nix(nix) => return Ok(nix.run(&pool)),
        Command::Completions(completions) => completions.run(Program::command())?,
        Command::Man(man) => man.run(Program::command())?,
    }
    Ok(ExitCode::SUCCESS)
}
