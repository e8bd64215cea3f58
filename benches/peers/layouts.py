"""Image layouts with many small images, written by none of the measured programs."""

import hashlib
import json
from pathlib import Path


def layout(folder, images):
    """A layout with this many tagged images, which share their only layer: an empty tar."""
    blobs = Path(folder, "blobs/sha256")
    blobs.mkdir(parents=True)

    def put(kind, content):
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        media_type = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    layer = put("layer.v1.tar", bytes(1024))
    manifests = []
    for number in range(images):
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"number": str(number)}},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": put("config.v1+json", json.dumps(config).encode()),
            "layers": [layer],
        }
        names = {"annotations": {"org.opencontainers.image.ref.name": str(number)}}
        manifests.append({**put("manifest.v1+json", json.dumps(manifest).encode()), **names})
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    }
    Path(folder, "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    Path(folder, "index.json").write_text(json.dumps(index))
    return folder
