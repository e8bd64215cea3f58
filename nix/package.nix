# The program, by nixpkgs from 25.11 on (its Rust is 1.89 or newer). On Linux it is static.
{ lib, stdenv, rustPlatform, pkgsStatic }:
let
  root = ../.;

  # What the compiler reads, so that a change of a document or a test builds nothing.
  compiled = [ "Cargo.lock" "Cargo.toml" "src" ];
  isCompiled = path: _:
    let
      below = builtins.substring (builtins.stringLength (toString root) + 1) (-1) path;
    in
    builtins.elem (builtins.head (builtins.split "/" below)) compiled;

  isLinux = stdenv.hostPlatform.isLinux;
  platform = if isLinux then pkgsStatic else { inherit stdenv rustPlatform; };
in
platform.rustPlatform.buildRustPackage {
  pname = "oci-layout";
  inherit ((builtins.fromTOML (builtins.readFile ../Cargo.toml)).package) version;

  src = builtins.path { name = "oci-layout-source"; path = root; filter = isCompiled; };
  cargoLock.lockFile = ../Cargo.lock;
  buildFeatures = [ "cli" "registry" ];

  # `tests/run` tests the program, with tools that a build of a package does not have; here it shows that it starts.
  doCheck = false;
  doInstallCheck = platform.stdenv.buildPlatform.canExecute platform.stdenv.hostPlatform;
  installCheckPhase = ''
    runHook preInstallCheck
    $out/bin/oci-layout --version
    runHook postInstallCheck
  '';

  meta = {
    description = "Composable OCI image-layout primitives: files in, deterministic layers, images and layouts out";
    license = [ lib.licenses.mit lib.licenses.asl20 ];
    mainProgram = "oci-layout";
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}
