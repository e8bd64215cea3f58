//! `inspect --size`, beside what Python's tarfile finds, and the page of `inspect --html` in a
//! browser.

use std::{
    fs,
    net::TcpListener,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use oci_layout::Compression;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::tool::{INSTALLED, run, tool};
use crate::tools::sample::Sample;

/// The standard output of the program in a folder.
#[track_caller]
fn program(folder: &Path, args: &[&str]) -> String {
    run(Command::new(env!("CARGO_BIN_EXE_oci-layout")).args(args).current_dir(folder))
}

#[track_caller]
fn assert_same_sizes(folder: &Path, layout: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/sizes.py");
    let expected: Value =
        serde_json::from_str(&run(tool("python3").args([script, layout]).current_dir(folder)))
            .unwrap();
    let found: Value =
        serde_json::from_str(&program(folder, &["inspect", "--size", "--json", layout])).unwrap();
    for member in ["compressed", "unpacked", "visible", "overwritten", "deleted", "duplicated"] {
        assert_eq!(found[member], expected[member], "{member}");
    }
    let list = |value: &Value| value.as_array().unwrap().clone();
    for (found, expected) in list(&found["layers"]).iter().zip(list(&expected["layers"])) {
        for (member, expected) in expected.as_object().unwrap() {
            assert_eq!(&found[member], expected, "{member}");
        }
    }
    let sorted = |mut values: Vec<Value>| {
        values.sort_by_key(Value::to_string);
        values
    };
    let groups = list(&found["duplicates"]);
    let groups = groups.iter().map(|group| json!([group["size"], group["paths"]])).collect();
    assert_eq!(sorted(groups), sorted(list(&expected["duplicates"])));
    let setuid = list(&found["setuid"]).iter().map(|file| file["path"].clone()).collect();
    assert_eq!(sorted(setuid), sorted(list(&expected["setuid"])));
    let members = ["path", "layer", "size", "state", "by", "digest"];
    let file = |file: &Value| members.iter().map(|member| file[member].clone()).collect();
    let files = sorted(list(&found["files"]).iter().map(file).collect());
    let expected = sorted(list(&expected["files"]));
    assert_eq!(files.len(), expected.len());
    files.iter().zip(&expected).for_each(|(found, expected)| assert_eq!(found, expected));
}

#[test]
fn sizes_of_the_sample_are_those_of_tarfile() {
    for compression in [Compression::None, Compression::GZIP] {
        assert_same_sizes(Sample::new(compression).folder(), "layout");
    }
}

/// Debian, with a layer that replaces files and one that removes some.
#[test]
fn sizes_of_a_distribution_are_those_of_tarfile() {
    let dir = TempDir::new().unwrap();
    let debian = format!("{INSTALLED}/debian.tar:/");
    fs::write(dir.path().join("passwd"), "root:x:0:0::/:/bin/sh\n").unwrap();
    fs::create_dir(dir.path().join("white")).unwrap();
    let files: Value = json!([
        { "source": "passwd", "destination": "/usr/bin/passwd" },
        { "source": "passwd", "destination": "/etc/passwd" },
        { "whiteout": true, "destination": "/usr/share/doc" },
        { "whiteout": true, "destination": "/usr/bin/perl" },
    ]);
    fs::write(dir.path().join("spec.json"), json!({ "files": files }).to_string()).unwrap();
    program(
        dir.path(),
        &["build", "-q", "--tar", &debian, "--mode", "keep", "--spec", "spec.json", "-o", "image"],
    );
    assert_same_sizes(dir.path(), "image");
    let said = program(dir.path(), &["inspect", "--size", "image"]);
    assert!(said.contains("deleted by layer 2") && said.contains("/usr/bin/su"), "{said}");
}

/// What a page is, and does, in a browser.
pub(crate) struct Browser<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) width: u32,
    pub(crate) is_dark: bool,
}

impl Browser<'_> {
    /// The standard output and the messages of scripts.
    fn open(&self, page: &str, option: &str) -> (String, Vec<String>) {
        self.open_url(&format!("file://{}", self.folder.join(page).display()), option)
    }

    pub(crate) fn open_url(&self, url: &str, option: &str) -> (String, Vec<String>) {
        let mut command = tool("chromium-headless-shell");
        command.args(["--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--v=0", option]);
        command.args(["--enable-logging=stderr", "--virtual-time-budget=5000"]);
        command.arg(format!("--user-data-dir={}", self.folder.join("browser").display()));
        command.arg(format!("--window-size={},1400", self.width));
        // The values of Blink: 0 is dark, 1 is light.
        let scheme = u8::from(!self.is_dark);
        command.arg(format!("--blink-settings=preferredColorScheme={scheme}"));
        command.arg(url);
        let output = command.output().expect("tests/run installs the browser");
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let console = said.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned);
        (String::from_utf8_lossy(&output.stdout).into_owned(), console.collect())
    }

    fn screenshot(&self, page: &str) -> Vec<u8> {
        let path = self.folder.join("screenshot.png");
        self.open(page, &format!("--screenshot={}", path.display()));
        fs::read(path).unwrap()
    }
}

/// An image whose names and texts try to be markup. Returns its folder, and the number of files
/// with contents.
fn hostile() -> (TempDir, usize) {
    let dir = TempDir::new().unwrap();
    let names: [&[u8]; 9] = [
        b"<script>alert(1)",
        b"<img src=x onerror=alert(2)>",
        b"</script><script>alert(3)",
        b"<!--<script>",
        b"\"quo'te&amp;",
        b"control\x1b[31m\n",
        "\u{202e}reversed".as_bytes(),
        b"not\xff\xfeutf8",
        b"__proto__",
    ];
    let root = dir.path().join("root");
    for (at, name) in names.into_iter().enumerate() {
        let name = name.iter().map(|&byte| if byte == b'/' { b'_' } else { byte }).collect();
        let folder = root.join(format!("folder-{}", at % 2));
        fs::create_dir_all(&folder).unwrap();
        let path: PathBuf = folder.join(std::ffi::OsString::from_vec(name));
        fs::write(&path, vec![at as u8; 3000 + 100 * at]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    // The folder and the file of it together are the end of a script.
    fs::create_dir(root.join("<")).unwrap();
    fs::write(root.join("</script>"), "x".repeat(2000)).unwrap();
    let markup = "</script><script>document.title='owned'</script>";
    program(
        dir.path(),
        &[
            "build",
            "-q",
            "-f",
            "root:/",
            "--entrypoint",
            markup,
            "-e",
            &format!("A={markup}"),
            "-l",
            &format!("label=\"><svg onload=alert(4)>{markup}\u{1b}[31m"),
            "-o",
            "image",
        ],
    );
    program(dir.path(), &["inspect", "--html", "page.html", "image"]);
    (dir, names.len() + 1)
}

#[test]
fn a_browser_shows_the_page_as_text() {
    let (dir, files) = hostile();
    let browser = Browser { folder: dir.path(), width: 1280, is_dark: false };
    let (dom, console) = browser.open("page.html", "--dump-dom");
    assert_eq!(console, [] as [String; 0]);
    assert_eq!(dom.matches("<button class=\"file ").count(), files, "{dom}");
    assert!(dom.contains("<title>image</title>"), "{dom}");
    // Its own two scripts: the data, and the one that shows them.
    let (_, shown) = dom.split_once("<main>").unwrap();
    let (shown, _) = shown.split_once("</main>").unwrap();
    for markup in ["<script", "<img", "<svg", "\u{1b}", "\u{202e}", "style=\"<"] {
        assert!(!shown.contains(markup), "{markup}: {shown}");
    }
    for text in [
        "&lt;script&gt;alert(1)",
        "/&lt;/script&gt;",
        r"control\u{1b}[31m\u{a}",
        r"\u{202e}reversed",
        "A=&lt;/script&gt;&lt;script&gt;document.title='owned'&lt;/script&gt;",
        "label=\"&gt;&lt;svg onload=alert(4)&gt;",
        "__proto__",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}

/// The policy of the page stops what a fault of the page would let in.
#[test]
fn the_page_reaches_no_network_and_runs_no_other_script() {
    let (dir, _) = hostile();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    thread::spawn(move || listener.incoming().for_each(|_| _ = counted.fetch_add(1, SeqCst)));
    let page = fs::read_to_string(dir.path().join("page.html")).unwrap();
    let markup = format!(
        "<img src='http://{address}/a'><link rel=stylesheet href='http://{address}/b'>\
         <script src='http://{address}/c'></script><script>document.title='owned'</script></body>"
    );
    let page = page.replace("</body>", &markup);
    fs::write(dir.path().join("broken.html"), &page).unwrap();
    let browser = Browser { folder: dir.path(), width: 1280, is_dark: false };
    let (dom, console) = browser.open("broken.html", "--dump-dom");
    assert!(dom.contains("<title>image</title>"), "{dom}");
    let refused = console.iter().filter(|line| line.contains("Content Security Policy")).count();
    assert_eq!(refused, 4, "{console:?}");
    assert_eq!(connections.load(SeqCst), 0);
    // Without the policy, the same page does all of it.
    fs::write(dir.path().join("open.html"), page.replace("Content-Security-Policy", "x")).unwrap();
    let (dom, _) = browser.open("open.html", "--dump-dom");
    assert!(dom.contains("<title>owned</title>"), "{dom}");
    assert!(connections.load(SeqCst) >= 3);
}

#[test]
fn a_click_on_a_folder_looks_into_it() {
    let (dir, files) = hostile();
    let page = fs::read_to_string(dir.path().join("page.html")).unwrap();
    let click = "<script>document.querySelector('.map .folder').click()</script></body>";
    let page = page.replace("Content-Security-Policy", "x").replace("</body>", click);
    fs::write(dir.path().join("clicked.html"), page).unwrap();
    let browser = Browser { folder: dir.path(), width: 1280, is_dark: false };
    let (dom, console) = browser.open("clicked.html", "--dump-dom");
    assert_eq!(console, [] as [String; 0]);
    let shown = dom.matches("<button class=\"file ").count();
    assert!(0 < shown && shown < files, "{shown} of {files}");
    assert!(dom.contains("<button class=\"mono\" type=\"button\">folder-0</button>"), "{dom}");
}

#[test]
fn the_page_fits_and_has_two_colour_schemes() {
    let (dir, _) = hostile();
    let page = fs::read_to_string(dir.path().join("page.html")).unwrap();
    let measure = "<script>document.title = [document.documentElement.scrollWidth, \
                   getComputedStyle(document.body).backgroundColor].join(' ')</script></body>";
    let page = page.replace("Content-Security-Policy", "x").replace("</body>", measure);
    fs::write(dir.path().join("measured.html"), page).unwrap();
    for (width, is_dark, colour) in [
        (375, false, "rgb(246, 247, 249)"),
        (375, true, "rgb(17, 21, 27)"),
        (1280, false, "rgb(246, 247, 249)"),
        (1280, true, "rgb(17, 21, 27)"),
    ] {
        let browser = Browser { folder: dir.path(), width, is_dark };
        let (dom, _) = browser.open("measured.html", "--dump-dom");
        assert!(dom.contains(&format!("<title>{width} {colour}</title>")), "{dom}");
    }
    let [light, dark] = [false, true].map(|is_dark| {
        Browser { folder: dir.path(), width: 1280, is_dark }.screenshot("page.html")
    });
    assert!(light.starts_with(b"\x89PNG") && light != dark);
}
