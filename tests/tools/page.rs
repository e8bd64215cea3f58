//! The page of a registry in a browser.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
};

use oci_layout::{
    Digest, FileMapping, Image, LayerOptions, image_config, image_manifest, layer_tar,
    registry::{Endpoint, NamedImageError, NamedImageErrorKind, NamedImages, Serving, Stop},
};
use serde_json::json;

use crate::{
    common::tool::{crane, tool},
    tools::inspect::Browser,
};

/// What would be markup or a script if it were not escaped.
const ATTACK: &str =
    "</code><script>document.title='attacked'</script><img src=x onerror=\"document.title='a'\">";

fn image(name: &str) -> oci_layout::ImageManifest {
    let layer = layer_tar([FileMapping::text(name, "/name")], LayerOptions::default()).unwrap();
    image_manifest(image_config([&layer], json!({})).unwrap(), [layer], json!({})).unwrap()
}

/// Images that fail, except for `good`.
struct Images;

impl NamedImages for Images {
    fn request(&self, name: &str, tag: &str) -> Result<String, NamedImageError> {
        Ok(format!("{name}:{tag}"))
    }
    fn known(&self, _: &str) -> Option<Arc<Image>> {
        None
    }
    fn make(&self, request: &str, _: &Stop) -> Result<Arc<Image>, NamedImageError> {
        match request {
            "good:latest" => Ok(Arc::new(image(request).into())),
            _ => Err(NamedImageError::new(NamedImageErrorKind::Failed, ATTACK)),
        }
    }
    fn holding(&self, _: &str, _: Digest) -> Option<Arc<Image>> {
        None
    }
    fn tags(&self, _: &str) -> Result<Vec<String>, NamedImageError> {
        Ok(Vec::new())
    }
    fn about(&self) -> Option<String> {
        Some("Each name is an image.".to_owned())
    }
    fn names(&self) -> Vec<String> {
        vec!["good".to_owned(), ATTACK.to_owned()]
    }
}

/// A registry with an image that was made, and one that failed.
fn serve() -> (Serving, String) {
    let endpoint = Endpoint::new([("app", vec![image("app").tagged("1.0")])]).unwrap();
    let serving = endpoint.named_images(Images).listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = serving.address().to_string();
    crane(["digest", "--insecure", &format!("{address}/good")]);
    let mut fails = tool("crane");
    fails.args(["manifest", "--insecure", &format!("{address}/bad")]);
    assert!(!fails.output().unwrap().status.success());
    (serving, address)
}

#[test]
fn a_browser_shows_the_page_of_a_registry() {
    let dir = tempfile::tempdir().unwrap();
    let (_serving, address) = serve();
    let browser = |is_dark| Browser { folder: dir.path(), width: 800, is_dark };
    let url = format!("http://{address}/");
    let (dom, console) = browser(false).open_url(&url, "--dump-dom");
    // Neither a script nor a request for something that the policy forbids.
    assert_eq!(console, [] as [String; 0], "{dom}");
    assert!(dom.contains(&format!("<title>Images at {address}</title>")), "{dom}");
    for tag in ["<script", "<img", "attacked</title>"] {
        assert!(!dom.contains(tag), "{tag}: {dom}");
    }
    assert_eq!(dom.matches("<li>").count(), 4, "{dom}");
    assert_eq!(dom.matches("document.title").count(), 4, "the name and the reason: {dom}");
    // The style is in effect, whose colours follow the reader's.
    let [light, dark] = [false, true].map(|is_dark| {
        let file = dir.path().join("page.png");
        browser(is_dark).open_url(&url, &format!("--screenshot={}", file.display()));
        fs::read(file).unwrap()
    });
    assert!(light.starts_with(b"\x89PNG") && light != dark);
}

/// The bytes of the page, without what a browser mends.
#[test]
fn the_page_is_valid_html() {
    let dir = tempfile::tempdir().unwrap();
    let (serving, address) = serve();
    let mut connection = TcpStream::connect(&address).unwrap();
    let host = format!("Host: {address}\r\nConnection: close\r\nAccept: text/html\r\n\r\n");
    write!(connection, "GET / HTTP/1.1\r\n{host}").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (_, html) = answer.split_once("\r\n\r\n").unwrap();
    assert!(html.contains("<h2>Failed lately</h2>"), "{html}");
    let file = dir.path().join("page.html");
    let parse = "import html5lib, sys; html5lib.HTMLParser(strict=True).parse(open(sys.argv[1]))";
    let python = |html: &str| {
        fs::write(&file, html).unwrap();
        tool("python3").args(["-c", parse]).arg(&file).output().unwrap()
    };
    let output = python(html);
    assert!(output.status.success(), "{}: {html}", String::from_utf8_lossy(&output.stderr));
    assert!(!python(&html.replacen("</p>", "</div>", 1)).status.success());
    drop(serving);
}
