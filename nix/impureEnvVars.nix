# What a derivation that Nix lets into the network may know of the machine: the way there, whom to trust, and where
# `docker login` or `podman login` wrote to, for who makes that file visible in the sandbox.
[
  "http_proxy"
  "https_proxy"
  "all_proxy"
  "no_proxy"
  "HTTP_PROXY"
  "HTTPS_PROXY"
  "ALL_PROXY"
  "NO_PROXY"
  "NIX_SSL_CERT_FILE"
  "SSL_CERT_FILE"
  "REGISTRY_AUTH_FILE"
]
