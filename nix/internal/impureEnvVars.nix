# The environment variables that reach a derivation with network access: proxies, certificates, and the file that
# `docker login` or `podman login` wrote, if the user makes that file visible in the sandbox.
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
