# The modules of `ociMakeImage`. Each file declares one subject, and all of them meet in `build`, which says what the image
# contains.
[
  ./assertions.nix
  ./build.nix
  ./deploy.nix
  ./etc.nix
  ./files.nix
  ./image.nix
  ./nix.nix
  ./s6.nix
  ./system-services.nix
  ./systemd.nix
  ./users.nix
]
