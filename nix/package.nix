# The program. It needs nixpkgs 25.11 or later, for Rust 1.89.
{
  lib,
  stdenv,
  rustPlatform,
  installShellFiles,
  pkgsStatic ? null,
  # Whether the program is linked statically, by the compiler in `pkgsStatic`. It then is one store path without references, and
  # also runs where the store is not. A dynamic program builds the same images: its libraries are in its closure. Set `false` if
  # the static compiler of a package set is broken. The default is `false` on Darwin, and without `pkgsStatic`.
  static ? stdenv.hostPlatform.isLinux && pkgsStatic != null,
}:
let
  root = ../.;

  # The files that the compiler reads. A change of another file, for example a document, does not rebuild the program.
  compiled = [
    "Cargo.lock"
    "Cargo.toml"
    "src"
  ];
  isCompiled =
    path: _:
    let
      below = builtins.substring (builtins.stringLength (toString root) + 1) (-1) path;
    in
    builtins.elem (builtins.head (builtins.split "/" below)) compiled;

  platform = if static then pkgsStatic else { inherit stdenv rustPlatform; };
  canExecute = platform.stdenv.buildPlatform.canExecute platform.stdenv.hostPlatform;
in
platform.rustPlatform.buildRustPackage {
  pname = "oci-layout";
  inherit ((builtins.fromTOML (builtins.readFile ../Cargo.toml)).package) version;

  src = builtins.path {
    name = "oci-layout-source";
    path = root;
    filter = isCompiled;
  };
  cargoLock.lockFile = ../Cargo.lock;
  buildFeatures = [
    "cli"
    "registry"
  ]
  # It limits the memory of Nix by a system call of Linux.
  ++ (if stdenv.hostPlatform.isLinux then [ "on-demand" ] else [ ]);

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

  # `tests/run` tests the program, with tools that a package build does not have. The check here is that it starts.
  doCheck = false;
  doInstallCheck = canExecute;
  installCheckPhase = ''
    runHook preInstallCheck
    $out/bin/oci-layout --version
    runHook postInstallCheck
  '';

  meta = {
    description = "Composable OCI image-layout primitives: files in, deterministic layers, images and layouts out";
    license = [
      lib.licenses.mit
      lib.licenses.asl20
    ];
    mainProgram = "oci-layout";
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}
