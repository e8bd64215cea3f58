//! Readers beside garbage collectors.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use oci_layout::{ImageLayout, ReadLock};

use super::Room;

/// Shared locks can overtake a waiting exclusive one: with a reader at every moment, a collector
/// would never start.
#[test]
fn a_collector_is_not_starved_by_readers() {
    const READERS: usize = 4;
    const ROUNDS: usize = 1500;
    let room = Room::with_layouts();
    let layout = room.path("layout");
    let (is_collected, holding, rounds) =
        (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    if is_collected.load(Ordering::SeqCst) {
                        break;
                    }
                    let lock = ReadLock::new(&layout);
                    holding.fetch_add(1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(20));
                    // A reader holds the layout at every moment, but none holds it forever: a
                    // closed gate stops them all.
                    for _ in 0..50 {
                        if holding.load(Ordering::SeqCst) > 1 {
                            break;
                        }
                        thread::sleep(Duration::from_millis(1));
                    }
                    holding.fetch_sub(1, Ordering::SeqCst);
                    drop(lock);
                    rounds.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        while rounds.load(Ordering::SeqCst) < READERS {
            thread::sleep(Duration::from_millis(1));
        }
        ImageLayout::open(&layout).unwrap().collect_garbage().unwrap();
        is_collected.store(true, Ordering::SeqCst);
    });
    let rounds = rounds.into_inner();
    assert!(rounds < READERS * ROUNDS, "the collector only ran after all readers had ended");
}

/// If a program that holds a layout passed its gate again, it would wait for the collector, which
/// waits for the program.
#[test]
fn a_reader_can_open_a_layout_again_while_a_collector_waits() {
    let room = Room::with_layouts();
    let layout = room.path("layout");
    let outer = ReadLock::new(&layout);
    thread::scope(|scope| {
        let collector = scope.spawn(|| ImageLayout::open(&layout).unwrap().collect_garbage());
        thread::sleep(Duration::from_millis(300));
        assert!(!collector.is_finished());
        let inner = ReadLock::new(&layout);
        drop((inner, outer));
        collector.join().unwrap().unwrap();
    });
}

/// All reading commands run beside programs that add, remove and collect. The remaining images are
/// read without an error.
#[test]
fn readers_get_no_false_errors_beside_collectors() {
    let room = Room::with_layouts();
    for image in ["three", "four", "five"] {
        fs::write(room.path(image), image.repeat(3000)).unwrap();
        room.ok(&format!("build -f {image} --tag {image} -o {image}-layout"));
    }
    let (_serving, address) = room.serve("layout");
    let is_over = AtomicBool::new(false);
    let failures = std::sync::Mutex::new(Vec::new());
    let repeat = |command: &dyn Fn() -> String, is_fine: &dyn Fn(&str) -> bool| {
        while !is_over.load(Ordering::SeqCst) {
            let args = command();
            let run = room.run(&[], &args);
            if !run.status.success() && !is_fine(&run.err) {
                failures.lock().unwrap().push(format!("{args}: {}{}", run.out, run.err));
            }
        }
    };
    thread::scope(|scope| {
        let repeat = &repeat;
        for image in ["three", "four", "five"] {
            scope.spawn(move || repeat(&|| format!("append {image}-layout -o layout"), &|_| false));
            let is_gone = |err: &str| err.contains("has no image with the tag");
            scope.spawn(move || repeat(&|| format!("delete layout:{image}"), &is_gone));
        }
        scope.spawn(|| repeat(&|| "gc layout".to_owned(), &|_| false));
        scope.spawn(|| repeat(&|| "gc layout".to_owned(), &|_| false));
        scope.spawn(|| {
            let commands = [
                "verify layout",
                "export layout -o all.tar",
                "inspect layout",
                "export layout:one -o one.tar",
                "image-layout layout -o copy-N",
                "append layout -o other",
                "build -f one --base layout:one -o base-N",
                "pull ADDRESS/app:one -o pulled-N",
            ];
            for (number, args) in commands.repeat(4).into_iter().enumerate() {
                let args = args.replace('N', &number.to_string()).replace("ADDRESS", &address);
                let run = room.run(&[], &args);
                if !run.status.success() {
                    failures.lock().unwrap().push(format!("{args}: {}{}", run.out, run.err));
                }
            }
            is_over.store(true, Ordering::SeqCst);
        });
    });
    assert_eq!(failures.into_inner().unwrap(), [] as [String; 0]);
    room.ok("verify layout --strict");
    assert_eq!(room.leftovers("layout"), [] as [std::path::PathBuf; 0]);
}

/// Reading requires neither write permission nor locks.
#[test]
fn layouts_that_cannot_be_locked_are_read() {
    let room = Room::with_layouts();
    room.ok("export layout --format oci-archive -o archive.tar");
    room.ok("verify archive.tar");
    // A read-only view.
    let script = "mount --bind layout layout && mount -o remount,bind,ro layout && \"$0\" verify \
        layout && \"$0\" export layout -o - >/dev/null && \"$0\" inspect layout >/dev/null && \
        \"$0\" build -f one --base layout:one -o above >/dev/null";
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "sh", "-c", script, super::PROGRAM]);
    let output = command.current_dir(room.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // A layout without the folder of blobs, which is the gate.
    fs::remove_dir_all(room.path("layout/blobs/sha256")).unwrap();
    fs::write(room.path("layout/index.json"), r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
    room.ok("verify layout");
    room.ok("export layout -o empty.tar");
}
