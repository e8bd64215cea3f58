//! Packs this program and its libraries into an image that runs it.
//!
//! ```console
//! $ cargo run --release --example quickstart [FOLDER]
//! ```

use std::{collections::BTreeSet, env, error::Error, fs, path::PathBuf};

use oci_layout::{
    Blob, ConfigOptions, FileMapping, LayerOptions,
    document::Platform,
    image_config, image_layout, image_manifest, layer_tar,
    verify::{VerifyOptions, verify},
};
use serde_json::json;

const OUT: &str = "target/examples-out/quickstart";

fn main() -> Result<(), Box<dyn Error>> {
    let out = match env::args().nth(1) {
        // The image starts the program with this argument.
        Some(argument) if argument == "hello" => {
            println!("Hello from inside the image!");
            return Ok(());
        }
        Some(folder) => folder,
        None => {
            // Removes the output of an earlier run.
            let _ = fs::remove_dir_all(OUT);
            OUT.to_owned()
        }
    };

    // The files: the program, and each library at its own path.
    let libraries = libraries()?;
    println!("Packing this program and {} libraries.", libraries.len());
    let mut files = vec![FileMapping::new(env::current_exe()?, "/bin/quickstart")];
    files.extend(libraries.iter().map(FileMapping::at_source));

    // A program with libraries is started by its loader. Naming the loader here works wherever it
    // is.
    let loader = libraries.iter().find(|path| path.to_string_lossy().contains("/ld-"));
    let mut entrypoint: Vec<_> = loader.iter().map(|path| path.to_string_lossy()).collect();
    entrypoint.extend(["/bin/quickstart".into(), "hello".into()]);
    let options = json!({ "config": { "Entrypoint": entrypoint } });

    // The image: a layer, whose blob is stored in the future layout; a configuration; a manifest;
    // the layout.
    let layer = layer_tar(files, LayerOptions::default().store(&out))?;
    println!("{} bytes of tar became {} bytes.", layer.tar_size(), layer.descriptor().size);
    let config = image_config([&layer], ConfigOptions::new(options).platform(this_platform()))?;
    let image = image_manifest(config, [layer], json!({}))?;
    println!("The image is {}.", image.digest());
    image_layout(&out, [image.tagged("latest")], json!({}))?;

    // All defects of the layout: none.
    let findings = verify(&out, &VerifyOptions::default())?;
    assert!(findings.is_empty(), "{findings:#?}");

    println!("The layout is in {out}, and has no defect.\n");
    println!("Look at it:  skopeo inspect oci:{out}:latest");
    println!("Run it:      podman run --rm oci:{out}:latest");
    println!("Push it:     crane push {out} localhost:5000/quickstart:latest");
    Ok(())
}

/// The libraries that the system has loaded for this program. A static program has none.
fn libraries() -> Result<BTreeSet<PathBuf>, Box<dyn Error>> {
    let maps = fs::read_to_string("/proc/self/maps")
        .map_err(|error| format!("this example needs Linux: {error}"))?;
    // The sixth word of a line is the file. Other mappings have none, or a name in brackets.
    let files = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).map(PathBuf::from);
    Ok(files.filter(|path| path.to_string_lossy().contains(".so")).collect())
}

/// The default platform of images is linux/amd64. This image is for the platform of the program.
fn this_platform() -> Platform {
    let architecture = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Platform::new("linux", architecture)
}
