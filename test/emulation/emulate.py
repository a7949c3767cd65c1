"""Replays recorded models (see recorder.py) on an emulated processor.

    python3 test/emulation/emulate.py DIR --target=amx --kernel=vmlinuz

packs the libraries for that target, their runs and what they load into a CD that
boots a Linux kernel, starts it in Bochs, and prints what `replay.c` finds. Needs
bochs (3.0 or later), grub-pc-bin, grub-common, xorriso, mtools, cpio and a C
compiler.
"""

import argparse
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

from recorder import file_name

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

CONFIGURATION = """
display_library: {display}
cpu: model={cpu}, count=1, ips=40000000, reset_on_triple_fault=0
memory: guest={memory}, host={memory}
romimage: file={bios}
vgaromimage: file={vgabios}
ata0-master: type=cdrom, path={folder}/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={folder}/serial
port_e9_hack: enabled=0
log: {folder}/log
panic: action=fatal
error: action=report
info: action=ignore
clock: sync=none
"""

# Bochs lacks the MSR that says whether rep movs is fast, so Linux takes it for
# slow, and would fall over its being fast for short lengths (FSRM, feature 580).
MENU = """
set timeout=0
menuentry quantc {
  linux /vmlinuz console=ttyS0 quiet nokaslr mitigations=off tsc=reliable lpj=1000000 clearcpuid=580 rdinit=/replay
  initrd /initramfs
}
"""


def shared_libraries(path):
    """What a program or library loads, the dynamic linker too."""
    listing = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"(/\S+) \(0x", listing))


def pack(args, folder):
    """Fills `folder`/root; returns how many models there are."""
    root = folder / "root"
    for name in ("proc", "dev", "runs"):
        (root / name).mkdir(parents=True)
    flags = ["-O2", "-w", f"-I{ROOT / 'include'}", "-ldl", "-lm"]
    subprocess.run(["cc", "-o", root / "replay", HERE / "replay.c", *flags], check=True)
    needed, count = shared_libraries(root / "replay"), 0
    for model in sorted(args.recorded.iterdir()):
        library, runs = model / file_name(args.target), sorted(model.glob("*.run"))
        if not library.exists() or not runs or not re.search(args.only, model.name):
            continue
        place = root / "runs" / model.name
        place.mkdir()
        shutil.copy(library, place / "model.so")
        for run in runs:
            shutil.copy(run, place)
        needed |= shared_libraries(library)
        count += 1
    for path in needed:
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    (root / "environment").write_text(f"OMP_NUM_THREADS={args.threads}\n")
    return count


def make_disc(args, folder):
    disc = folder / "disc"
    (disc / "boot" / "grub").mkdir(parents=True)
    (disc / "boot" / "grub" / "grub.cfg").write_text(MENU)
    shutil.copy(args.kernel, disc / "vmlinuz")
    with open(disc / "initramfs", "wb") as file:
        names = subprocess.run(["find", "."], cwd=folder / "root", capture_output=True, check=True).stdout
        archive = ["cpio", "--quiet", "-o", "-H", "newc"]
        subprocess.run(archive, cwd=folder / "root", input=names, stdout=file, check=True)
    subprocess.run(["grub-mkrescue", "-o", folder / "boot.iso", disc], capture_output=True, check=True)


def emulate(args, folder):
    """Prints the serial line until the machine halts; returns all of it."""
    serial = folder / "serial"
    serial.touch()
    (folder / "bochsrc").write_text(CONFIGURATION.format(folder=folder, **vars(args)))
    # A terminal for its screen; one with a debugger asks there what to do first.
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        [args.bochs, "-q", "-f", folder / "bochsrc"], cwd=folder, env=os.environ | {"TERM": "vt100"},
        stdin=its_end, stdout=its_end, stderr=its_end, start_new_session=True,
    )  # fmt: skip
    os.close(its_end)
    os.write(terminal, b"c\n")
    end, text = time.monotonic() + args.timeout, ""
    try:
        with open(serial, errors="replace") as lines:
            while time.monotonic() < end and process.poll() is None and "HALTED" not in text:
                if select.select([terminal], [], [], 0.2)[0]:
                    try:
                        os.read(terminal, 65536)
                    except OSError:  # It has closed its end.
                        process.wait()
                more = lines.read()
                text += more
                sys.stdout.write(more)
                sys.stdout.flush()
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    if "HALTED" not in text:
        print("\n".join((folder / "log").read_text(errors="replace").splitlines()[-5:]))
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recorded", type=pathlib.Path, help="what recorder.py wrote")
    parser.add_argument("--target", required=True, help="which of the recorded targets")
    parser.add_argument("--kernel", required=True, help="a Linux kernel (vmlinuz)")
    parser.add_argument("--cpu", default="sapphire_rapids", help="a CPU model of Bochs")
    parser.add_argument("--bochs", default="bochs", help="the emulator")
    parser.add_argument("--display", default="nogui", help="display library of Bochs: nogui, term or rfb")
    parser.add_argument("--bios", default="/usr/share/bochs/BIOS-bochs-latest")
    parser.add_argument("--vgabios", default="/usr/share/bochs/VGABIOS-lgpl-latest")
    parser.add_argument("--memory", type=int, default=1024, help="MiB")
    parser.add_argument("--threads", type=int, default=1, help="of OpenMP")
    parser.add_argument("--timeout", type=int, default=3000, help="seconds")
    parser.add_argument("--only", default="", help="a regular expression for the names of models")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="emulation-") as name:
        folder = pathlib.Path(name)
        count = pack(args, folder)
        print(f"{count} models", flush=True)
        make_disc(args, folder)
        text = emulate(args, folder)
    ended = re.search(r"REPLAYED (\d+) models, 0 crashed; (\d+) runs: .* 0 different", text)
    return 0 if ended and int(ended[1]) == count else 1


if __name__ == "__main__":
    sys.exit(main())
