"""Simulates power losses: checks the disk when a command reports success, and at any moment before.

The disk is an ext4 file system in a file with a loop device. Data that the system has not written yet is only in its
cache, so a copy of the file is the state after a power loss at that moment. Each copy is mounted, which replays its
journal, and checked:

- after the command reported success, the new state must be complete;
- at any moment before, the old or the new state must be complete.

As root, with loop devices and mkfs.ext4:

    python3 tests/power_loss/run.py target/release/oci-layout [--moments 8] [--no-sync] [--check-loss]

With --no-sync the commands get that option, and the result says how often something was lost. It must be often:
otherwise this test proves nothing. --check-loss makes no loss an error.
"""

import argparse, os, random, shutil, signal, subprocess, sys, tempfile, time

arguments = argparse.ArgumentParser()
arguments.add_argument('program')
arguments.add_argument('--moments', type=int, default=8, help='power losses during each command')
arguments.add_argument('--no-sync', action='store_true')
arguments.add_argument('--check-loss', action='store_true', help='fail if nothing is lost')
arguments = arguments.parse_args()
PROGRAM = os.path.abspath(arguments.program)
OPTIONS = ['--no-sync'] if arguments.no_sync else []

scratch = tempfile.mkdtemp(prefix='power-loss-')
disk, copy, mounted, seen = (os.path.join(scratch, name) for name in ('disk', 'copy', 'mounted', 'seen'))
os.mkdir(mounted)
os.mkdir(seen)


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


def must(*command, **options):
    result = run(*command, **options)
    if result.returncode != 0:
        sys.exit(f'{command}: {result.stdout}{result.stderr}')
    return result.stdout


def work(*command):
    """One of our own, on the disk."""
    return [PROGRAM, *command]


def prepare():
    """A new disk with two sources, their layouts, and a sparse one, all of it written."""
    with open(disk, 'wb') as file:
        file.truncate(96 << 20)
    must('mkfs.ext4', '-q', '-F', disk)
    # The journal is written on request, and not in the middle of a copy.
    must('mount', '-o', 'loop,commit=300', disk, mounted)
    for seed, name in enumerate(['one', 'two']):
        with open(os.path.join(mounted, name), 'wb') as file:
            file.write(random.Random(seed).randbytes(3 << 20))
        must(*work('build', '-f', name, '--tag', name, '--compression', 'none', '-o', f'layout-{name}'), cwd=mounted)
    must(*work('build', '-f', 'one', '--sparse', '--tag', 'one', '--compression', 'none', '-o', 'sparse'), cwd=mounted)
    must(*work('layer-tar', '-f', 'one', '-o', 'layer'), cwd=mounted)
    must('sync', '-f', mounted)


def at_power_loss(check):
    """Copies the current disk, and checks its contents."""
    shutil.copyfile(disk, copy)
    must('mount', '-o', 'loop', copy, seen)
    try:
        return check()
    finally:
        must('umount', seen)


def tags(layout):
    result = run(*work('inspect', '--json', layout), cwd=seen)
    return result.stdout.count('"org.opencontainers.image.ref.name"') if result.returncode == 0 else None


def whole_layout(layout, number):
    def check():
        verified = run(*work('verify', '--strict', layout), cwd=seen)
        if verified.returncode != 0:
            return f'{layout}: {verified.stdout}{verified.stderr}'
        found = tags(layout)
        return None if found in number else f'{layout} has {found} tags and not one of {number}'
    return check


def nothing_or(path, check):
    return lambda: check() if os.path.exists(os.path.join(seen, path)) else None


def image_of(folder):
    """The next step accepts the folder between the steps, and its output is valid."""
    def check():
        shutil.rmtree(os.path.join(scratch, 'made'), ignore_errors=True)
        os.mkdir(os.path.join(scratch, 'made'))
        for command in (['image-manifest', '--layer', os.path.join(seen, folder), '-o', 'image'],
                        ['image-layout', 'image', '-o', 'made'], ['verify', '--strict', 'made']):
            result = run(*work(*command), cwd=os.path.join(scratch, 'made'))
            if result.returncode != 0:
                return f'{folder}: {result.stdout}{result.stderr}'
        return None
    return check


def archive(path):
    def check():
        verified = run(*work('verify', path), cwd=seen)
        return None if verified.returncode == 0 else f'{path}: {verified.stdout}{verified.stderr}'
    return check


# The preparation, the command, the files after its success, and the files that may exist before.
CASES = [
    ([], ['build', '-f', 'one', '--tag', 'one', '--compression', 'none', '-o', 'deep/er/out'],
     whole_layout('deep/er/out', [1]), nothing_or('deep/er/out/index.json', whole_layout('deep/er/out', [1]))),
    ([], ['image-layout', 'layout-one', 'layout-two', '-o', 'out'],
     whole_layout('out', [2]), nothing_or('out/index.json', whole_layout('out', [2]))),
    ([], ['append', 'layout-two', '-o', 'layout-one'],
     whole_layout('layout-one', [2]), whole_layout('layout-one', [1, 2])),
    ([['append', 'layout-two', '-o', 'layout-one']], ['delete', 'layout-one:two'],
     whole_layout('layout-one', [1]), whole_layout('layout-one', [1, 2])),
    ([['append', 'layout-two', '-o', 'layout-one'], ['delete', '--no-sync', 'layout-one:two']], ['gc', 'layout-one'],
     whole_layout('layout-one', [1]), whole_layout('layout-one', [1, 2])),
    ([], ['fill', 'sparse'], whole_layout('sparse', [1]), whole_layout('sparse', [1])),
    ([], ['layer-tar', '-f', 'two', '-o', 'new-layer'],
     image_of('new-layer'), nothing_or('new-layer/media-descriptor.json', image_of('new-layer'))),
    ([], ['export', 'layout-one', '-o', 'out.tar'], archive('out.tar'), nothing_or('out.tar', archive('out.tar'))),
]

lost, looked = [], 0
try:
    for before, command, after, during in CASES:
        for moment in range(arguments.moments + 1):
            prepare()
            try:
                for step in before:
                    must(*work(*step), cwd=mounted)
                process = subprocess.Popen(work(*command, *OPTIONS), cwd=mounted, stdout=subprocess.PIPE,
                                           stderr=subprocess.PIPE, text=True)
                if moment < arguments.moments:
                    time.sleep(random.random() * 0.15)
                    # The program is stopped while the disk is copied.
                    process.send_signal(signal.SIGSTOP)
                    if process.returncode is None:
                        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                    problem = at_power_loss(during)
                    process.send_signal(signal.SIGCONT)
                    process.communicate()
                else:
                    out, err = process.communicate()
                    if process.returncode != 0:
                        sys.exit(f'{command}: {out}{err}')
                    problem = at_power_loss(after)
                looked += 1
                if problem:
                    lost.append((command[0], 'before its end' if moment < arguments.moments else 'after success', problem))
            finally:
                must('umount', mounted)
finally:
    shutil.rmtree(scratch)
for command, when, problem in lost:
    print(f'{command}, {when}: {problem.strip()[:300]}')
print(f'{looked} power losses, something was lost in {len(lost)}')
if arguments.check_loss:
    sys.exit(0 if lost else 'nothing was lost without syncing: this proves nothing')
sys.exit(1 if lost and not arguments.no_sync else 0)
