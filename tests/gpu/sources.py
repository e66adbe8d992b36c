"""What others say of this machine's cards: the kernel, lspci, nvidia-smi, CUDA."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MAKERS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
CLASSES = ("0x03", "0x12")  # displays and accelerators


def short(pci):
    """0000:65:00.0, however many digits the domain is written with."""
    domain, _, rest = pci.strip().lower().partition(":")
    return f"{int(domain, 16):04x}:{rest}" if rest.count(":") else f"0000:{pci.strip().lower()}"


def output(*command, env=None, timeout=60):
    """(status, what it printed, what it complained of); (None, "", why) when it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=env,
                              stdin=subprocess.DEVNULL, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, "", str(error)
    return done.returncode, done.stdout, done.stderr.strip() or done.stdout.strip()


def driver():
    """NVIDIA's kernel driver in its own words; None: it is not loaded."""
    try:
        text = pathlib.Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    except OSError:
        return None
    return text.splitlines()[0]


def in_sysfs():
    """{address: maker} of every GPU that the kernel shows; None without /sys."""
    folder = pathlib.Path(os.environ.get("HWLOC_FSROOT", "/")) / "sys/bus/pci/devices"
    if not folder.is_dir():
        return None
    found = {}
    for device in folder.iterdir():
        try:
            maker = MAKERS.get((device / "vendor").read_text().strip())
            kind = (device / "class").read_text().strip()
        except OSError:
            continue
        if maker and kind.startswith(CLASSES):
            found[short(device.name)] = maker
    return found


def in_lspci():
    """Addresses of the GPUs that lspci shows; None where it is not there, or the machine described.
    """
    if "HWLOC_FSROOT" in os.environ or not shutil.which("lspci"):
        return None
    status, text, _ = output("lspci", "-Dn")
    rows = re.findall(r"^(\S+) (?:03|12)\d\d: (10de|1002|8086):", text, re.M)
    return sorted(short(address) for address, _ in rows) if status == 0 else None


def nvidia_smi(fields, kind="gpu"):
    """(rows as dicts of its texts, None), or (None, why not)."""
    if not shutil.which("nvidia-smi"):
        return None, "there is no nvidia-smi"
    status, text, said = output("nvidia-smi", f"--query-{kind}={','.join(fields)}",
                                "--format=csv,noheader,nounits")
    if status != 0:
        return None, said or f"nvidia-smi ended with {status}"
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line]
    return [dict(zip(fields, row)) for row in rows if len(row) == len(fields)], None


def cuda_devices(env):
    """(devices that CUDA shows in that environment, None), or (None, why not)."""
    status, text, said = output(sys.executable, str(HERE / "hold_memory.py"), "list", env=env)
    if status != 0:
        return None, said
    return [dict(row, pci=short(row["pci"])) for row in json.loads(text)], None


def missing_libraries(program, env):
    """Names of shared libraries that a program needs and this machine has not."""
    _, text, _ = output("ldd", str(program), env=env)
    return re.findall(r"^\s*(\S+) => not found", text, re.M)


def same_pids():
    """Are the driver's numbers of processes ours? Not in a container with numbers of its own."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino == 0xEFFFFFFC
    except OSError:
        return False
