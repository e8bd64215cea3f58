# The program, by nixpkgs from 25.11 on (its Rust is 1.89 or newer). On Linux it is static.
{ lib, stdenv, rustPlatform, pkgsStatic, installShellFiles }:
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
  canExecute = platform.stdenv.buildPlatform.canExecute platform.stdenv.hostPlatform;
in
platform.rustPlatform.buildRustPackage {
  pname = "oci-layout";
  inherit ((builtins.fromTOML (builtins.readFile ../Cargo.toml)).package) version;

  src = builtins.path { name = "oci-layout-source"; path = root; filter = isCompiled; };
  cargoLock.lockFile = ../Cargo.lock;
  buildFeatures = [ "cli" "registry" ];

  # The program writes its own completions and man pages, so it must run here.
  nativeBuildInputs = [ installShellFiles ];
  postInstall = lib.optionalString canExecute ''
    for shell in bash fish zsh; do
      $out/bin/oci-layout completions $shell > completions.$shell
    done
    installShellCompletion --cmd oci-layout \
      --bash completions.bash --fish completions.fish --zsh completions.zsh
    $out/bin/oci-layout man pages
    installManPage pages/*
  '';

  # `tests/run` tests the program, with tools that a build of a package does not have; here it shows that it starts.
  doCheck = false;
  doInstallCheck = canExecute;
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
